import {
  type FileError,
  FolderChange,
  type FolderWatch,
  type SandboxNotFound,
  type SandboxNotRunning,
} from "@cordon/core"
import { Effect, Stream } from "effect"
import type { FileTree } from "./FileTree.ts"
import { listFolder } from "./folders.ts"

/**
 * Lists a folder again whenever anything in its sandbox has changed.
 *
 * @param stillRunning fails when the sandbox has been stopped or removed
 */
export const watchFolder = (
  tree: FileTree,
  path: string,
  { recursive, exclude }: FolderWatch,
  stillRunning: Effect.Effect<void, SandboxNotFound | SandboxNotRunning>,
): Stream.Stream<FolderChange, FileError> => {
  const depth = recursive ? Number.POSITIVE_INFINITY : 1
  let seen: number | undefined
  const look = Effect.gen(function* () {
    yield* stillRunning
    const { changes } = tree
    if (changes === seen) return []
    const isFirst = seen === undefined
    const entries = yield* listFolder(tree, path, depth, exclude).pipe(
      // A folder that is removed later on is an empty one.
      Effect.catchTag(["FileNotFound", "NotADirectory"], (error) =>
        isFirst ? Effect.fail(error) : Effect.succeed([]),
      ),
    )
    seen = changes
    return [
      ...(isFirst ? [] : [FolderChange.Anew()]),
      ...entries.map((entry) => FolderChange.Found({ entry })),
      FolderChange.Complete(),
    ]
  })
  // It polls, and is not told of a change: a script may make the change, and just-bash forbids timers while one runs.
  return Stream.tick("50 millis").pipe(
    Stream.mapEffect(() => look),
    Stream.flattenIterable,
  )
}
