import type { SandboxFiles } from "@cordon/core"
import { Effect, Stream } from "effect"
import { BinaryFile } from "../../errors.ts"
import { number } from "../../fields.ts"
import { LineWindow } from "../../LineWindow.ts"
import { decodeText, wholeLength } from "../../utf8.ts"
import { type Input, type Part, readLimit, refuse } from "./fields.ts"

/** Up to this size a file is read to its end, only to tell how many lines it has. */
const countLinesUpTo = 4 * 1024 * 1024

/** Reads lines of a text file, as many as fit into one answer. */
export const readLines = Effect.fnUntraced(function* (
  files: SandboxFiles,
  { path, start_line: start = 1, end_line: end = Number.POSITIVE_INFINITY }: Input,
  size: number,
) {
  const window = new LineWindow(start, end, readLimit)
  let readToEnd = true
  yield* Stream.runForEachWhile(files.stream(path), (chunk) =>
    Effect.sync(() => {
      window.push(chunk)
      readToEnd = !window.done || size <= countLinesUpTo
      return readToEnd
    }),
  )
  const total = readToEnd ? window.linesSeen : undefined
  if (total !== undefined && start > Math.max(1, total)) {
    return yield* refuse(`"start_line" is ${start}, but the file has ${number(total)} lines.`)
  }
  const { bytes, lines, cut } = window.result
  const shown = bytes.subarray(0, cut === "line" ? wholeLength(bytes) : bytes.length)
  const content = decodeText(shown)
  if (content === undefined) return yield* new BinaryFile({ path, size })
  const last = start + lines - 1
  const rest =
    cut === "line"
      ? restOfLine(start, window.offset + shown.length)
      : restOfFile({ start, last, total, size, isCut: cut === "lines" })
  const part: Part = {
    content,
    start_line: lines === 0 ? 0 : start,
    end_line: Math.max(0, last),
    ...(total === undefined ? {} : { total_lines: total }),
    truncated: cut !== "no",
    ...rest,
  }
  return part
})

/** How to read on, where not even one line fits. */
const restOfLine = (line: number, next_offset: number) => ({
  next_offset,
  note: `Line ${line} is longer than ${number(readLimit)} bytes: only its beginning is shown. Read on with offset ${next_offset}, or go to the next line with start_line ${line + 1}.`,
})

/** Advice for reading on, if there are further lines. */
const restOfFile = (read: {
  readonly start: number
  readonly last: number
  /** Lines of the file, if it was read to its end. */
  readonly total: number | undefined
  /** Bytes of the file. */
  readonly size: number
  /** Whether less is shown than was asked for. */
  readonly isCut: boolean
}) => {
  const { start, last, total, size, isCut } = read
  if (total !== undefined && last >= total) return {}
  const shown = start === last ? `Line ${last}` : `Lines ${start}-${last}`
  const whole = total === undefined ? `${number(size)} bytes` : `${number(total)} lines`
  const cut = isCut ? `, cut at ${number(readLimit)} bytes` : ""
  return {
    next_line: last + 1,
    note: `${shown} of ${whole}${cut}. Read on with start_line ${last + 1}.`,
  }
}
