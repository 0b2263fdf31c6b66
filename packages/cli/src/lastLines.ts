import type { ProcessEvent } from "@cordon/core"
import { Stream } from "effect"

type Output = Extract<ProcessEvent, { readonly _tag: "Stdout" | "Stderr" }>

/** The number of output bytes in an event. */
const sizeOf = (event: ProcessEvent): number => {
  if (event._tag === "Exit") return 0
  return event._tag === "Lost" ? event.bytes : event.bytes.length
}

/** The last lines of both outputs in the order of arrival. */
const tailOf = (pieces: ReadonlyArray<Output>, lines: number): ReadonlyArray<Output> => {
  if (lines === 0) return []
  const kept: Array<Output> = []
  let left = lines
  let isEnd = true
  for (const piece of pieces.toReversed()) {
    let at = piece.bytes.length
    // A newline as the very last byte ends a line and begins no new one.
    if (isEnd && at > 0 && piece.bytes[at - 1] === 10) at -= 1
    if (piece.bytes.length > 0) isEnd = false
    while (left > 0) {
      at = at === 0 ? -1 : piece.bytes.lastIndexOf(10, at - 1)
      if (at < 0) break
      left -= 1
    }
    const bytes = piece.bytes.subarray(at + 1)
    if (bytes.length > 0) kept.unshift({ ...piece, bytes })
    if (left === 0) break
  }
  return kept
}

/**
 * The past output of a process (or only its last lines, if a number is given) and, with `follow`,
 * its further output until its end.
 *
 * @param options.written the number of bytes that the process had written at the time of the
 * request
 */
export const lastLines = <E>(
  events: Stream.Stream<ProcessEvent, E>,
  options: {
    readonly written: number
    readonly lines: number | undefined
    readonly follow: boolean
  },
): Stream.Stream<Output, E> =>
  Stream.suspend(() => {
    const { written, lines, follow } = options
    // Each stage counts separately: a stage sees many events before the next stage sees the first
    // of them.
    let arrived = 0
    let shown = 0
    let held: Array<Output> = []
    const flush = () => {
      const pieces = lines === undefined ? held : tailOf(held, lines)
      held = []
      return Stream.fromIterable(pieces)
    }
    if (written === 0 && !follow) return Stream.empty
    return events.pipe(
      Stream.takeUntil((event) => {
        arrived += sizeOf(event)
        return event._tag === "Exit" || (!follow && arrived >= written)
      }),
      Stream.flatMap((event): Stream.Stream<Output> => {
        if (event._tag === "Exit") return flush()
        const isPast = shown >= written
        shown += sizeOf(event)
        if (event._tag !== "Lost") {
          if (isPast) return Stream.succeed(event)
          held.push(event)
        }
        return shown < written ? Stream.empty : flush()
      }),
    )
  })
