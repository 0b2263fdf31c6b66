import { Effect, Exit, FileSystem, Path, type PlatformError, type Scope } from "effect"
import { StarterFilesExist, StarterNotWritten } from "./errors.ts"
import { starterFiles, type Template } from "./starter.ts"

/** Whether anything exists at a path, including a dangling link. */
const taken = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.lstat(path).pipe(
    Effect.as(true),
    Effect.catchIf(
      ({ reason }) => reason._tag === "NotFound",
      () => Effect.succeed(false),
    ),
  )
})

/** Makes a folder and its missing parents. If the scope fails, they are removed again. */
const makeFolder: (
  folder: string,
) => Effect.Effect<
  void,
  PlatformError.PlatformError,
  FileSystem.FileSystem | Path.Path | Scope.Scope
> = Effect.fnUntraced(function* (folder) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  if (yield* fs.exists(folder)) return
  yield* makeFolder(path.dirname(folder))
  yield* Effect.acquireRelease(fs.makeDirectory(folder), (_, exit) =>
    Exit.isSuccess(exit) ? Effect.void : Effect.ignore(fs.remove(folder, { recursive: true })),
  )
})

/**
 * Writes a starter into a folder, which is made if it is missing. Gives the files' paths below it.
 * Overwrites nothing; a failure leaves nothing that was not there before.
 */
export const writeStarter = Effect.fnUntraced(
  function* (folder: string, template: Template) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const root = path.resolve(folder)
    const files = yield* starterFiles(path.basename(root), template)
    const names = [...files.keys()].sort()
    const existing = yield* Effect.filter(names, (name) => taken(path.join(root, name)))
    if (existing.length > 0) return yield* new StarterFilesExist({ folder, files: existing })
    for (const [name, content] of files) {
      const file = path.join(root, name)
      yield* makeFolder(path.dirname(file))
      // Refused if somebody has just made it.
      yield* Effect.acquireRelease(fs.writeFileString(file, content, { flag: "wx" }), (_, exit) =>
        Exit.isSuccess(exit) ? Effect.void : Effect.ignore(fs.remove(file)),
      )
    }
    return names
  },
  Effect.scoped,
  (effect, folder) =>
    effect.pipe(
      Effect.catchTag("PlatformError", ({ message }) =>
        Effect.fail(new StarterNotWritten({ folder, reason: message })),
      ),
    ),
)
