/** Parses a patch: a unified diff, or the format that begins with `*** Begin Patch`. */

/** Lines of a file that are replaced by others. */
export interface Hunk {
  /** The line number of the first of them in a unified diff, counted from 1. */
  readonly line?: number | undefined
  /** Lines that come before them in the file, in this order. */
  readonly headers: ReadonlyArray<string>
  readonly before: ReadonlyArray<string>
  readonly after: ReadonlyArray<string>
  /** Whether they are the last lines of the file. */
  readonly atEnd: boolean
  /** Whether the new file ends with a line break. If absent, as before. */
  readonly finalNewline?: boolean
}

/** The change of one file. */
export type Change =
  | {
      readonly kind: "add"
      readonly path: string
      readonly text: string
      /** Permission bits. */
      readonly mode?: number | undefined
    }
  | { readonly kind: "delete"; readonly path: string; readonly hunks: ReadonlyArray<Hunk> }
  | {
      readonly kind: "update"
      readonly path: string
      readonly moveTo?: string | undefined
      readonly hunks: ReadonlyArray<Hunk>
    }

/** A problem with a patch. */
export class PatchProblem {
  readonly issue: string

  /** @param at the line of the patch, from 0 on */
  constructor(issue: string, at?: number) {
    this.issue = at === undefined ? issue : `line ${at + 1} of the patch: ${issue}`
  }
}

/** Text as an error shows it. */
export const quoted = (line: string) =>
  JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}...` : line)

const numbers = /^@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@/

/** Whether a line begins a hunk. */
export const beginsHunk = (line: string) => line === "@@" || line.startsWith("@@ ")

/** Reads lines one after the other. */
export class Lines {
  readonly #lines: ReadonlyArray<string>
  at: number

  constructor(lines: ReadonlyArray<string>, at = 0) {
    this.#lines = lines
    this.at = at
  }

  /** The line that is read next, or one after it; undefined after the last one. */
  peek(ahead = 0): string | undefined {
    return this.#lines[this.at + ahead]
  }
}

/** Collects the lines of one hunk. */
class HunkLines {
  readonly before: Array<string> = []
  readonly after: Array<string> = []
  #last = ""
  /** Blank lines since the last one that has a sign. */
  #blanks = 0
  #oldEnds: boolean | undefined
  #newEnds: boolean | undefined

  /** @returns whether the line is one of a hunk */
  take(line: string): boolean {
    // An empty line is a blank line of the context whose leading space was removed.
    const sign = line === "" ? " " : line.slice(0, 1)
    const rest = line.slice(1)
    if (sign === "\\") {
      if (this.#last !== "+") this.#oldEnds = false
      if (this.#last !== "-") this.#newEnds = false
      return true
    }
    if (sign !== " " && sign !== "-" && sign !== "+") return false
    if (sign !== "+") this.before.push(rest)
    if (sign !== "-") this.after.push(rest)
    this.#last = sign
    this.#blanks = line === "" ? this.#blanks + 1 : 0
    return true
  }

  /** Takes off blank lines at the end: they may only set the hunk apart from what follows. */
  end() {
    this.before.length -= this.#blanks
    this.after.length -= this.#blanks
  }

  get finalNewline() {
    if (this.#newEnds === false) return { finalNewline: false }
    return this.#oldEnds === false ? { finalNewline: true } : {}
  }
}

/**
 * Reads the hunks of one file.
 *
 * @param ends whether the next line is none of a hunk's, and which may stand there
 */
export const readHunks = (
  lines: Lines,
  ends: (lines: Lines) => boolean,
): ReadonlyArray<Hunk> | PatchProblem => {
  const hunks: Array<Hunk> = []
  while (!ends(lines)) {
    const start = lines.at
    let line: number | undefined
    const headers: Array<string> = []
    for (let header = lines.peek() ?? ""; beginsHunk(header); header = lines.peek() ?? "") {
      const [, number] = numbers.exec(header) ?? []
      if (number !== undefined) line = Number(number)
      else if (header.length > 3) headers.push(header.slice(3))
      lines.at += 1
    }
    const hunk = new HunkLines()
    let atEnd = false
    for (let next = lines.peek() ?? ""; !ends(lines) && !beginsHunk(next); ) {
      if (next === "*** End of File") atEnd = true
      else if (!hunk.take(next)) {
        const issue = `each line of a hunk begins with a space (it stays), - (it goes) or + (it comes), but this is ${quoted(next)}`
        return new PatchProblem(issue, lines.at)
      }
      lines.at += 1
      next = lines.peek() ?? ""
    }
    hunk.end()
    const { before, after, finalNewline } = hunk
    if (before.length === 0 && after.length === 0 && !atEnd) {
      return new PatchProblem("a hunk has no lines", start)
    }
    const hint = { line }
    hunks.push({ ...hint, headers, before, after, atEnd, ...finalNewline })
  }
  return hunks
}

/** The text of lines that a file consists of. */
export const textOf = (lines: ReadonlyArray<string>, finalNewline = true) =>
  lines.length === 0 ? "" : lines.join("\n") + (finalNewline ? "\n" : "")
