import { type SandboxDriver, type SandboxId, StorageFailed } from "@cordon/core"
import { Effect, Stream } from "effect"
import type { MemorySandboxes } from "../sandboxes.ts"
import { getArchive, putArchive } from "./archive.ts"
import type { FileTree } from "./FileTree.ts"
import { listFolder, moveFile, removeFile, searchFolder } from "./folders.ts"
import { watchFolder } from "./watch.ts"

type FileMembers = Pick<
  SandboxDriver["Service"],
  | "stat"
  | "readFile"
  | "writeFile"
  | "getArchive"
  | "putArchive"
  | "listFolder"
  | "makeFolder"
  | "removeFile"
  | "moveFile"
  | "searchFolder"
  | "watchFolder"
>

/** The members of the driver that read and write the files of a running sandbox. */
export const fileMembers = ({ findRunning, requireStillRunning }: MemorySandboxes): FileMembers => {
  const withTree = <A, E>(id: SandboxId, use: (tree: FileTree) => Effect.Effect<A, E>) =>
    Effect.flatMap(findRunning(id), ({ tree }) => use(tree))
  const streamTree = <A, E>(id: SandboxId, use: (tree: FileTree) => Stream.Stream<A, E>) =>
    Stream.unwrap(Effect.map(findRunning(id), ({ tree }) => use(tree)))

  return {
    stat: (id, path) => withTree(id, (tree) => tree.stat(path)),
    readFile: (id, path, { offset = 0, length } = {}) =>
      streamTree(id, (tree) =>
        Stream.fromEffect(tree.read(path)).pipe(
          Stream.map((bytes) =>
            bytes.slice(offset, length === undefined ? undefined : offset + length),
          ),
        ),
      ),
    writeFile: Effect.fnUntraced(function* (id, path, { bytes, size, mode, modifiedAt }) {
      const { tree } = yield* findRunning(id)
      const content = Buffer.concat(yield* Stream.runCollect(bytes))
      if (size !== undefined && size !== content.length) {
        return yield* new StorageFailed({
          path,
          reason: "the content does not have the announced size",
        })
      }
      const bits = mode === undefined ? undefined : mode & 0o777
      yield* tree.write(path, Uint8Array.from(content), bits, modifiedAt)
    }),
    getArchive: (id, path) => streamTree(id, (tree) => getArchive(tree, path)),
    putArchive: (id, path, archive) => withTree(id, (tree) => putArchive(tree, path, archive)),
    listFolder: (id, path, depth) =>
      streamTree(id, (tree) => Stream.fromIterableEffect(listFolder(tree, path, depth))),
    makeFolder: (id, path) => withTree(id, (tree) => Effect.asVoid(tree.makeDirectory(path))),
    removeFile: (id, path, { recursive }) =>
      withTree(id, (tree) => removeFile(tree, path, recursive)),
    moveFile: (id, from, to) => withTree(id, (tree) => moveFile(tree, from, to)),
    searchFolder: (id, path, search) =>
      streamTree(id, (tree) => Stream.fromIterableEffect(searchFolder(tree, path, search))),
    watchFolder: (id, path, options) =>
      Stream.unwrap(
        Effect.map(findRunning(id), ({ info, tree }) =>
          watchFolder(tree, path, options, requireStillRunning(info)),
        ),
      ),
  }
}
