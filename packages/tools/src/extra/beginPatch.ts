/** Patches between `*** Begin Patch` and `*** End Patch`, as OpenAI's models are taught them. */
import { type Change, Lines, PatchProblem, quoted, readHunks, textOf } from "./patch.ts"

const begin = "*** Begin Patch"
const end = "*** End Patch"

const fileHeader = /^\*\*\* (Add|Delete|Update) File: (.+)$/

const endsFile = (lines: Lines) => {
  const line = lines.peek()
  return line === undefined || line.trimEnd() === end || fileHeader.test(line)
}

const readAdded = (lines: Lines, path: string): Change | PatchProblem => {
  const added: Array<string> = []
  for (; !endsFile(lines); lines.at += 1) {
    const line = lines.peek() ?? ""
    if (!line.startsWith("+")) {
      const issue = `each line of a new file begins with +, but this is ${quoted(line)}`
      return new PatchProblem(issue, lines.at)
    }
    added.push(line.slice(1))
  }
  return { kind: "add", path, text: textOf(added) }
}

const moveHeader = "*** Move to: "

const readUpdate = (lines: Lines, path: string): Change | PatchProblem => {
  const start = lines.at
  const next = lines.peek() ?? ""
  const moveTo = next.startsWith(moveHeader) ? next.slice(moveHeader.length).trim() : undefined
  if (moveTo !== undefined) lines.at += 1
  const hunks = readHunks(lines, endsFile)
  if (hunks instanceof PatchProblem) return hunks
  if (hunks.length === 0 && moveTo === undefined) {
    return new PatchProblem(`nothing is changed in ${quoted(path)}`, start)
  }
  return { kind: "update", path, hunks, moveTo }
}

export const isBeginPatch = (all: ReadonlyArray<string>) =>
  all.some((line) => line.trimEnd() === begin)

export const parseBeginPatch = (
  all: ReadonlyArray<string>,
): ReadonlyArray<Change> | PatchProblem => {
  const lines = new Lines(all, all.findIndex((line) => line.trimEnd() === begin) + 1)
  const changes: Array<Change> = []
  for (let line = lines.peek(); line?.trimEnd() !== end; line = lines.peek()) {
    if (line === undefined) return new PatchProblem(`it has no "${end}" at its end`)
    const [, action, name = ""] = fileHeader.exec(line) ?? []
    const at = lines.at
    lines.at += 1
    if (action === undefined) {
      if (line.trim() === "") continue
      const issue = `"*** Add File: path", "*** Update File: path", "*** Delete File: path" or "${end}" is expected, but this is ${quoted(line)}`
      return new PatchProblem(issue, at)
    }
    const path = name.trim()
    const change: Change | PatchProblem =
      action === "Add"
        ? readAdded(lines, path)
        : action === "Update"
          ? readUpdate(lines, path)
          : { kind: "delete", path, hunks: [] }
    if (change instanceof PatchProblem) return change
    changes.push(change)
  }
  return changes
}
