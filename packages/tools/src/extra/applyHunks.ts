/** A file with the hunks of a patch, and why it can't have them. */
import { plural } from "../fields.ts"
import { showLines } from "./editFile.ts"
import { occurrences } from "./occurrences.ts"
import { type Hunk, PatchProblem, quoted, textOf } from "./patch.ts"
import { hasCrlf, toCrlf, toLf } from "./textFile.ts"

// A limit on compared lines: each hunk may be searched in the whole file.
const mostCompared = 20_000_000

const mostLines = 10

const standsAt = (lines: ReadonlyArray<string>, sought: ReadonlyArray<string>, place: number) =>
  place >= 0 &&
  place + sought.length <= lines.length &&
  sought.every((line, nth) => lines[place + nth] === line)

/** The line after the last header of a hunk. */
const afterHeaders = (
  lines: ReadonlyArray<string>,
  headers: ReadonlyArray<string>,
  from: number,
): number | PatchProblem => {
  let place = from
  for (const header of headers) {
    const exact = lines.indexOf(header, place)
    const wanted = header.trim()
    const found =
      exact === -1 ? lines.findIndex((line, nth) => nth >= place && line.trim() === wanted) : exact
    if (found === -1) return new PatchProblem(`the line ${quoted(header)} after @@ is not in it`)
    place = found + 1
  }
  return place
}

const missing = (lines: ReadonlyArray<string>, before: ReadonlyArray<string>, from: number) => {
  const trim = (all: ReadonlyArray<string>) => all.map((line) => line.trim())
  const [elsewhere] = occurrences(lines, before, { limit: 1 })
  const [similar] = occurrences(trim(lines), trim(before), { from, limit: 1 })
  const where =
    elsewhere !== undefined
      ? `they stand at line ${elsewhere + 1}, before an earlier hunk: give hunks from the first line of the file to the last`
      : similar !== undefined
        ? `with other blanks they stand at line ${similar + 1}: read that with sandbox_read_file, and copy it exactly`
        : "read the file with sandbox_read_file, and copy the lines exactly"
  return new PatchProblem(
    `${plural(before.length, "line")} of a hunk that begins with ${quoted(before[0] ?? "")} do not occur in it one after the other; ${where}`,
  )
}

/**
 * The line at which a hunk applies. `moved` is the offset in lines between the stated and the real
 * place of earlier hunks.
 */
const placeOf = (
  lines: ReadonlyArray<string>,
  { line, headers, before, atEnd }: Hunk,
  cursor: number,
  moved: number,
): number | PatchProblem => {
  const from = afterHeaders(lines, headers, cursor)
  if (from instanceof PatchProblem) return from
  if (before.length === 0) {
    if (line !== undefined) return Math.max(cursor, Math.min(line + moved, lines.length))
    return headers.length > 0 && !atEnd ? from : lines.length
  }
  const expected = atEnd
    ? lines.length - before.length
    : line === undefined
      ? undefined
      : line - 1 + moved
  if (expected !== undefined && expected >= from && standsAt(lines, before, expected)) {
    return expected
  }
  const found = occurrences(lines, before, { from, limit: mostLines + 1 })
  const [first] = found
  if (first === undefined) return missing(lines, before, from)
  // A line after @@ gives the starting point: the next match after it counts.
  if (found.length === 1 || headers.length > 0) return first
  const numbers = found.slice(0, mostLines).map((place) => place + 1)
  return new PatchProblem(
    `the lines of a hunk that begins with ${quoted(before[0] ?? "")} stand in it more than once (${showLines(numbers, found.length > mostLines)}). Take more lines around the change along, or name one before it: @@ function name()`,
  )
}

/** The text of a file after some hunks, in their order. */
export const applyHunks = (whole: string, hunks: ReadonlyArray<Hunk>): string | PatchProblem => {
  const crlf = hasCrlf(whole)
  const text = crlf ? toLf(whole) : whole
  let finalNewline = text === "" || text.endsWith("\n")
  const lines = text === "" ? [] : (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n")
  if (lines.length * hunks.length > mostCompared) {
    return new PatchProblem(
      `${plural(hunks.length, "hunk")} are too many for its ${plural(lines.length, "line")}. Give several patches`,
    )
  }
  const changed: Array<string> = []
  const keep = (all: ReadonlyArray<string>, from: number, to: number) => {
    for (let nth = from; nth < to; nth += 1) changed.push(all[nth] ?? "")
  }
  let cursor = 0
  let moved = 0
  for (const hunk of hunks) {
    const place = placeOf(lines, hunk, cursor, moved)
    if (place instanceof PatchProblem) return place
    if (hunk.line !== undefined && hunk.before.length > 0) moved = place - (hunk.line - 1)
    keep(lines, cursor, place)
    keep(hunk.after, 0, hunk.after.length)
    cursor = place + hunk.before.length
    finalNewline = hunk.finalNewline ?? finalNewline
  }
  keep(lines, cursor, lines.length)
  const result = textOf(changed, finalNewline)
  return crlf ? toCrlf(result) : result
}
