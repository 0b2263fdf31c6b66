import { posix } from "node:path"
import { InvalidInput, type SandboxFiles } from "@cordon/core"
import { Effect, Schema } from "effect"
import { EditRefused } from "../errors.ts"
import { number, sandboxField, text } from "../fields.ts"
import { defineTool } from "../Tool.ts"
import { applyHunks } from "./applyHunks.ts"
import { isBeginPatch, parseBeginPatch } from "./beginPatch.ts"
import { commit, type FileState } from "./commit.ts"
import { type Change, PatchProblem } from "./patch.ts"
import { stateOf } from "./state.ts"
import { editLimit, hasCrlf, readWhole, toLf, tooLarge } from "./textFile.ts"
import { parseUnifiedDiff } from "./unifiedDiff.ts"

const mostFiles = 100

/** Bytes of all files of a patch together, before and after. */
const mostBytes = 32 * 1024 * 1024

const input = Schema.Struct({
  sandbox: sandboxField,
  patch: text(
    'A unified diff, as of git diff (--- a/path, +++ b/path, @@), or "*** Begin Patch" ... "*** End Patch". Paths are absolute, or relative to the sandbox\'s working directory.',
  ),
})

const output = Schema.Struct({
  files: Schema.Array(
    Schema.Struct({
      path: text("Absolute."),
      change: Schema.Literals(["added", "updated", "removed"]).annotate({
        description: "What became of it.",
      }),
    }),
  ).annotate({
    description: "What became of each file. One that was moved was removed and added.",
  }),
})

const refused = (issue: string) =>
  new InvalidInput({ subject: "input for sandbox_apply_patch", issue: `"patch": ${issue}.` })

/** The patch alone, of what models put around one. */
const linesOf = (patch: string): ReadonlyArray<string> => {
  const lines = (hasCrlf(patch) ? toLf(patch) : patch).replace(/\n$/, "").split("\n")
  const isFence = (line: string | undefined) => line?.startsWith("```") === true
  return isFence(lines[0]) && isFence(lines.at(-1)) ? lines.slice(1, -1) : lines
}

const parse = (patch: string) => {
  const lines = linesOf(patch)
  const changes = isBeginPatch(lines) ? parseBeginPatch(lines) : parseUnifiedDiff(lines)
  if (changes instanceof PatchProblem) return changes
  if (changes.length > mostFiles) {
    return new PatchProblem(`it changes ${changes.length} files, more than ${mostFiles}`)
  }
  if (changes.length > 0) return changes
  return new PatchProblem(
    'it changes no file. Give a unified diff (--- a/path, +++ b/path, @@ ...), or one between "*** Begin Patch" and "*** End Patch"',
  )
}

/** The files of a patch, as they would be after some of its changes. */
const makeTree = (files: SandboxFiles) => {
  const states = new Map<string, FileState>()
  let total = 0
  const add = (bytes: number) =>
    Effect.suspend(() => {
      total += bytes
      return total <= mostBytes
        ? Effect.void
        : Effect.fail(refused(`its files have more than ${number(mostBytes)} bytes in total`))
    })
  return {
    states,
    at: Effect.fnUntraced(function* (path: string) {
      const absolute = yield* files.resolve(path)
      const key = posix.normalize(absolute)
      const known = states.get(key)
      if (known !== undefined) return known
      const found = yield* readWhole(files, path).pipe(
        Effect.catchTag("FileNotFound", () => Effect.succeed(undefined)),
      )
      yield* add(found?.text.length ?? 0)
      const state: FileState = { path: absolute, old: found, current: found }
      states.set(key, state)
      return state
    }),
    /** Sets the new state of a file. */
    put: Effect.fnUntraced(function* (
      state: FileState,
      path: string,
      file: NonNullable<FileState["current"]>,
    ) {
      if (file.text.length > editLimit) return yield* tooLarge(path, file.text.length)
      yield* add(file.text.length)
      state.current = file
    }),
  }
}
type Tree = ReturnType<typeof makeTree>

const apply = Effect.fnUntraced(function* (tree: Tree, change: Change) {
  const { path } = change
  const refuse = (reason: string, at = path) => new EditRefused({ path: at, reason })
  const state = yield* tree.at(path)
  const { current } = state
  if (change.kind === "add") {
    if (current !== undefined) {
      return yield* refuse("the patch adds this file, but it already exists. Update it instead")
    }
    const { text, mode } = change
    yield* tree.put(state, path, { text, mode })
    return
  }
  if (current === undefined) {
    return yield* refuse("there is no such file. Check the path, or add the file")
  }
  const text = applyHunks(current.text, change.hunks)
  if (text instanceof PatchProblem) return yield* refuse(text.issue)
  if (change.kind === "delete") {
    if (change.hunks.length > 0 && text !== "") {
      return yield* refuse(
        "the patch removes this file, but its content differs from the lines in the patch. Read it again",
      )
    }
    state.current = undefined
    return
  }
  if (change.moveTo === undefined) {
    yield* tree.put(state, path, { ...current, text })
    return
  }
  const target = yield* tree.at(change.moveTo)
  if (target.current !== undefined) {
    return yield* refuse(
      `${JSON.stringify(path)} can't be moved there, because a file is there already`,
      change.moveTo,
    )
  }
  state.current = undefined
  yield* tree.put(target, change.moveTo, { ...current, text })
})

export const sandboxApplyPatch = defineTool({
  name: "sandbox_apply_patch",
  title: "Apply patch",
  description: `Change several places or several files of a sandbox at once by a patch: add, update, move and remove text files. Lines that stay and lines that go must be copied exactly; line numbers may be wrong. A hunk must fit in one place only, else take more lines around it along. All of the patch is checked before any file is written: when a part does not fit, nothing is changed and the error says which. For one change in one file sandbox_edit_file is simpler.
Example: {"sandbox": "web-1", "patch": "*** Begin Patch\\n*** Update File: src/app.js\\n@@ function start() {\\n-  listen(80)\\n+  listen(8080)\\n*** Add File: notes.md\\n+# Notes\\n*** End Patch"}`,
  annotations: { readOnly: false, destructive: true, idempotent: false, openWorld: false },
  input,
  output,
  handler: Effect.fnUntraced(function* ({ sandbox: reference, patch }, session) {
    const changes = parse(patch)
    if (changes instanceof PatchProblem) return yield* refused(changes.issue)
    const { id, files } = yield* session.get(reference)
    return yield* Effect.gen(function* () {
      const tree = makeTree(files)
      yield* Effect.forEach(changes, (change) => apply(tree, change), { discard: true })
      return { files: yield* commit(files, [...tree.states.values()]) }
    }).pipe(stateOf(session).editing(id))
  }),
  render: ({ files }) =>
    files.length === 0
      ? "The patch changes nothing: the files are as it says."
      : files
          .map(({ path, change }) => `${change[0]?.toUpperCase()}${change.slice(1)} ${path}`)
          .join("\n"),
})
