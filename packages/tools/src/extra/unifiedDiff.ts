/** Unified diffs, of `diff -u` and of git. */
import {
  beginsHunk,
  type Change,
  type Hunk,
  Lines,
  PatchProblem,
  quoted,
  readHunks,
  textOf,
} from "./patch.ts"

// Lines between the hunks of one file and the names of the next.
const between = /^(?:diff |Index: |={67}$|index [0-9a-f]+\.\.)/

/** The names of a file: two lines, and a hunk after them. A line that goes may look like the first one. */
const beginsFile = (lines: Lines) =>
  (lines.peek() ?? "").startsWith("--- ") &&
  (lines.peek(1) ?? "").startsWith("+++ ") &&
  beginsHunk(lines.peek(2) ?? "")

/** Whether these lines are the end of a git mail: git's version. */
const isSignature = (lines: Lines) =>
  lines.peek() === "-- " && (lines.peek(2) ?? "") === "" && lines.peek(3) === undefined

const endsHunks = (lines: Lines) => {
  const line = lines.peek()
  return line === undefined || between.test(line) || beginsFile(lines) || isSignature(lines)
}

/** A name without the time that `diff` appends; undefined if there is no such file. */
const nameOf = (line: string) => {
  const [name = ""] = line.slice(4).split("\t")
  return name === "/dev/null" ? undefined : name
}

/** Names without git's `a/` and `b/`, where both have them. */
const plain = (old: string | undefined, current: string | undefined) => {
  const prefixed =
    (old === undefined || old.startsWith("a/")) &&
    (current === undefined || current.startsWith("b/"))
  return prefixed ? { old: old?.slice(2), current: current?.slice(2) } : { old, current }
}

/** Git's extended header of a file. */
interface Extended {
  readonly from?: string
  readonly to?: string
  readonly mode?: number | undefined
}

const changeOf = (
  old: string | undefined,
  current: string | undefined,
  hunks: ReadonlyArray<Hunk>,
  mode?: number,
): Change | PatchProblem => {
  if (current === undefined) {
    if (old === undefined) return new PatchProblem("a file is named /dev/null before and after")
    return { kind: "delete", path: old, hunks }
  }
  // If git did not write the names, the first one often is that of a backup: app.js.orig.
  if (old !== undefined) return { kind: "update", path: current, hunks }
  const [hunk] = hunks
  if (hunk === undefined || hunks.length > 1 || hunk.before.length > 0) {
    return new PatchProblem(`the new file ${quoted(current)} has lines that are not added`)
  }
  const text = textOf(hunk.after, hunk.finalNewline)
  return { kind: "add", path: current, text, mode }
}

export const parseUnifiedDiff = (
  all: ReadonlyArray<string>,
): ReadonlyArray<Change> | PatchProblem => {
  const lines = new Lines(all)
  const changes: Array<Change> = []
  let extended: Extended = {}
  /** Of a file without hunks: git may only rename it. */
  const flush = () => {
    const { from, to, mode } = extended
    extended = {}
    if (mode !== undefined) {
      return new PatchProblem("an empty file is made by sandbox_write_file, not by a diff")
    }
    if (from !== undefined && to !== undefined) {
      changes.push({ kind: "update", path: from, moveTo: to, hunks: [] })
    }
    return undefined
  }
  for (let line = lines.peek(); line !== undefined; line = lines.peek()) {
    if (beginsFile(lines)) {
      const names = plain(nameOf(line), nameOf(lines.peek(1) ?? ""))
      lines.at += 2
      const hunks = readHunks(lines, endsHunks)
      if (hunks instanceof PatchProblem) return hunks
      const { from, to, mode } = extended
      const change: Change | PatchProblem =
        from === undefined || to === undefined
          ? changeOf(names.old, names.current, hunks, mode)
          : { kind: "update", path: from, moveTo: to, hunks }
      if (change instanceof PatchProblem) return change
      changes.push(change)
      extended = {}
      continue
    }
    if (beginsHunk(line)) {
      return new PatchProblem(
        'a hunk comes before the names of its file ("--- a/path" and "+++ b/path")',
        lines.at,
      )
    }
    if (/^(?:GIT binary patch$|Binary files )/.test(line)) {
      return new PatchProblem("binary files can't be patched", lines.at)
    }
    const problem = line.startsWith("diff ") ? flush() : undefined
    if (problem !== undefined) return problem
    const [, renames, name] = /^rename (from|to) (.+)$/.exec(line) ?? []
    if (name !== undefined) extended = { ...extended, [renames === "from" ? "from" : "to"]: name }
    const [, mode] = /^new file mode 100([0-7]{3})$/.exec(line) ?? []
    if (mode !== undefined) extended = { ...extended, mode: Number.parseInt(mode, 8) }
    lines.at += 1
  }
  return flush() ?? changes
}
