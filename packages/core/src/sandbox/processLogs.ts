import { Effect, Stream } from "effect"
import type { ProcessEvent } from "../values/Process.ts"
import type { ProcessLogs } from "./processes.ts"

/** The end of one output, of whole characters where it was cut. */
class Tail {
  readonly #limit: number
  #pieces: Array<Uint8Array> = []
  #length = 0
  isCut = false

  constructor(limit: number) {
    this.#limit = limit
  }

  push(bytes: Uint8Array): void {
    this.#pieces.push(bytes.slice())
    this.#length += bytes.length
    // Only when twice over the limit: the cost of each byte stays constant.
    if (this.#length > 2 * this.#limit) this.#cut()
  }

  #cut(): Buffer {
    const bytes = Buffer.concat(this.#pieces)
    this.isCut ||= bytes.length > this.#limit
    const kept = Buffer.from(bytes.subarray(-this.#limit))
    this.#pieces = [kept]
    this.#length = kept.length
    return kept
  }

  get text(): string {
    const bytes = this.#cut()
    const isContinuation = (byte: number) => (byte & 0xc0) === 0x80
    const start = this.isCut ? bytes.findIndex((byte) => !isContinuation(byte)) : 0
    const whole = bytes.subarray(start < 0 || start > 3 ? 0 : start)
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(whole)
  }
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
    if (written > 0) {
      yield* events.pipe(
        Stream.takeUntil((event) => {
          if (event._tag === "Exit") return true
          if (event._tag === "Lost") {
            position += event.bytes
            for (const tail of Object.values(tails)) tail.isCut = true
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
    const [stdout, stderr] = [Stdout.text, Stderr.text]
    return { stdout, stderr, truncated: Stdout.isCut || Stderr.isCut }
  })
