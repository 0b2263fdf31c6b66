/** Writes several files, all of them or, as far as it can be, none. */
import type { CordonError, SandboxFiles } from "@cordon/core"
import { Effect } from "effect"
import { PatchHalfApplied, type ToolError } from "../errors.ts"

interface TextFile {
  readonly text: string
  /** Permission bits. */
  readonly mode?: number | undefined
}

/** The old and the new state of a file; undefined if there is no file. */
export interface FileState {
  readonly path: string
  readonly old: TextFile | undefined
  current: TextFile | undefined
}

/** Brings a file to its new state. */
const put = (
  files: SandboxFiles,
  path: string,
  file: TextFile | undefined,
  isNew: boolean,
): Effect.Effect<void, CordonError> =>
  file === undefined
    ? files.remove(path)
    : files.write(
        path,
        file.text,
        // A file that is there keeps its permissions.
        file.mode === undefined || !isNew ? {} : { mode: file.mode & 0o777 },
      )

const back = (files: SandboxFiles, { path, old, current }: FileState) =>
  put(files, path, old, current === undefined).pipe(
    Effect.catchTag("FileNotFound", () => Effect.void),
  )

const changeOf = ({ old, current }: FileState) =>
  current === undefined ? "removed" : old === undefined ? "added" : "updated"

/**
 * Writes all changed files. If a write fails or is interrupted, the earlier ones are undone.
 *
 * @returns the change of each file
 */
export const commit = Effect.fnUntraced(function* (
  files: SandboxFiles,
  states: ReadonlyArray<FileState>,
) {
  const changed = states.filter(
    ({ old, current }) =>
      old?.text !== current?.text || (old === undefined) !== (current === undefined),
  )
  // Removals come last, so that a moved file exists at every moment.
  const ordered = [...changed].sort(
    (a, b) => Number(a.current === undefined) - Number(b.current === undefined),
  )
  const begun: Array<FileState> = []
  const left: Array<string> = []
  const undo = Effect.suspend(() =>
    Effect.forEach(
      [...begun].reverse(),
      (state) =>
        Effect.catch(back(files, state), () => Effect.sync(() => void left.push(state.path))),
      { discard: true },
    ),
  )
  const write = Effect.forEach(
    ordered,
    (state) =>
      Effect.suspend(() => {
        begun.push(state)
        return put(files, state.path, state.current, state.old === undefined)
      }),
    { discard: true },
  )
  yield* write.pipe(
    Effect.onError(() => undo),
    Effect.catch((error): Effect.Effect<never, ToolError> => {
      if (left.length === 0) return Effect.fail(error)
      return Effect.fail(new PatchHalfApplied({ paths: left, reason: error._tag }))
    }),
  )
  return changed.map((state) => ({ path: state.path, change: changeOf(state) }) as const)
})
