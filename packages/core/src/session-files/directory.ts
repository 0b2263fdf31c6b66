import * as fs from "node:fs/promises"
import { sep } from "node:path"
import { Effect, Layer, Stream } from "effect"
import { SessionFiles, type SessionFilesError, type SmallFile } from "../SessionFiles.ts"
import { hasDescriptors, makeTree, type Tree } from "./folder.ts"
import { hostNameProblem } from "./hostNames.ts"
import { attempt, openFolder, openParent, placeOf } from "./opening.ts"
import { refusal, statOf } from "./posix.ts"
import { readFile } from "./readFile.ts"
import { WriteFailed, writeInto } from "./smallFiles.ts"
import { walkDirectory } from "./walk.ts"
import { partName, writeFile } from "./writeFile.ts"

/**
 * Session storage in a local folder, which is made where it is missing.
 *
 * Nothing outside the folder is ever read or written: each path is followed link by link, and one that
 * ends outside is `InvalidPath`. On Linux that holds while another process of the host swaps folders for
 * links. Elsewhere folders are looked at before they are used and again before a file is put in place,
 * which leaves such a process a moment.
 *
 * @param directory the folder, absolute or relative to the process's working directory
 * @example
 * import { createSandboxes, sessionFilesDirectory } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 *
 * await using sandboxes = createSandboxes({ driver: docker(), files: sessionFilesDirectory("./files") })
 */
export const sessionFilesDirectory = (
  directory: string,
): Layer.Layer<SessionFiles, SessionFilesError> => directoryLayer(directory, hasDescriptors)

/** Writes small files folder by folder. */
const writeSmallFiles = Effect.fnUntraced(function* (tree: Tree, files: ReadonlyArray<SmallFile>) {
  const byFolder = new Map<string, Array<readonly [string, SmallFile]>>()
  for (const file of files) {
    const { above, name } = yield* placeOf(file.path)
    const inFolder = byFolder.get(above) ?? []
    byFolder.set(above, inFolder)
    inFolder.push([name, file])
  }
  for (const [above, inFolder] of byFolder) {
    yield* openFolder(tree, above, true).pipe(
      Effect.flatMap((folder) =>
        Effect.tryPromise({
          try: () => writeInto(folder, inFolder, partName()),
          catch: (cause) =>
            cause instanceof WriteFailed ? refusal(cause.path, cause.cause) : refusal(above, cause),
        }),
      ),
      Effect.scoped,
    )
  }
})

/** @param descriptors whether folders are held by descriptors; see `folder.ts` */
export const directoryLayer = (
  directory: string,
  descriptors: boolean,
): Layer.Layer<SessionFiles, SessionFilesError> =>
  Layer.effect(
    SessionFiles,
    Effect.gen(function* () {
      const root = yield* attempt(directory, async () => {
        await fs.mkdir(directory, { recursive: true })
        return await fs.realpath(directory)
      })
      const tree = makeTree(root, descriptors)

      return SessionFiles.of({
        refuses: (path) => hostNameProblem(path, sep),

        stat: Effect.fnUntraced(function* (path) {
          const { folder, name } = yield* openParent(tree, path)
          return statOf(yield* attempt(path, () => fs.lstat(folder.at(name))))
        }, Effect.scoped),

        read: (path, { lent = false } = {}) => readFile(tree, path, lent),

        write: (path, content, mode, modifiedAt) =>
          writeFile(tree, { path, content, mode, modifiedAt }),

        writeAll: (files) => writeSmallFiles(tree, files),

        makeDirectory: Effect.fnUntraced(function* (path, modifiedAt) {
          const folder = yield* openFolder(tree, path, true)
          if (modifiedAt !== undefined) yield* attempt(path, () => folder.setTime(modifiedAt))
        }, Effect.scoped),

        walk: (path, { contents = -1 } = {}) =>
          Stream.unwrap(
            Effect.map(openFolder(tree, path), (folder) => walkDirectory(folder, contents)),
          ),
      })
    }),
  )
