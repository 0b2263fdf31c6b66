import { Effect, Stream } from "effect"
import type { ProcessEvent } from "../../values/Process.ts"
import { Tail } from "../exec/Output.ts"
import type { ProcessLogs } from "./Processes.ts"

/** The text of an output's end, of whole characters where it was cut. */
const textOf = (bytes: Buffer, isCut: boolean): string => {
  const isContinuation = (byte: number) => (byte & 0xc0) === 0x80
  const start = isCut ? bytes.findIndex((byte) => !isContinuation(byte)) : 0
  const whole = bytes.subarray(start < 0 || start > 3 ? 0 : start)
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(whole)
}

/**
 * Reads a log until as much of it has come as the process had written, or the process has ended.
 *
 * @param events from the start of the log on
 * @param written bytes
 * @param limit bytes of each output
 */
export const readLog = <E>(
  events: Stream.Stream<ProcessEvent, E>,
  written: number,
  limit: number,
): Effect.Effect<ProcessLogs, E> =>
  Effect.gen(function* () {
    const tails = { Stdout: new Tail(limit), Stderr: new Tail(limit) }
    let position = 0
    let isLost = false
    if (written > 0) {
      yield* events.pipe(
        Stream.takeUntil((event) => {
          if (event._tag === "Exit") return true
          if (event._tag === "Lost") {
            position += event.bytes
            isLost = true
          } else {
            tails[event._tag].push(event.bytes)
            position += event.bytes.length
          }
          return position >= written
        }),
        Stream.runDrain,
      )
    }
    const { Stdout, Stderr } = tails
    const isCut = ({ total }: Tail) => isLost || total > limit
    return {
      stdout: textOf(Stdout.bytes, isCut(Stdout)),
      stderr: textOf(Stderr.bytes, isCut(Stderr)),
      truncated: isCut(Stdout) || isCut(Stderr),
    }
  })
