import {
  type ArchiveEntry,
  type FileError,
  InvalidArchive,
  NotADirectory,
  packArchive,
  storagePath,
  unpackArchive,
} from "@cordon/core"
import { Effect, Stream } from "effect"
import type { FileTree } from "./FileTree.ts"

const below = (
  tree: FileTree,
  real: string,
  prefix: string,
): Stream.Stream<ArchiveEntry<FileError>, FileError> =>
  Stream.fromIterableEffect(
    Effect.map(
      tree.attempt(real, (fs) => fs.readdir(real)),
      (names) => [...names].sort(),
    ),
  ).pipe(
    Stream.flatMap((name) =>
      Stream.unwrap(
        Effect.gen(function* (): Effect.fn.Return<
          Stream.Stream<ArchiveEntry<FileError>, FileError>,
          FileError
        > {
          const at = real === "/" ? `/${name}` : `${real}/${name}`
          const path = `${prefix}${name}`
          const stat = yield* tree.lstat(at)
          if (stat === undefined) return Stream.empty
          const common = {
            path,
            mode: stat.mode & 0o7777,
            size: 0,
            modifiedAt: stat.mtime,
            content: Stream.empty,
          }
          if (stat.isSymbolicLink) {
            const linkTarget = yield* tree.attempt(at, (fs) => fs.readlink(at))
            return Stream.succeed({ ...common, kind: "symlink" as const, linkTarget })
          }
          if (stat.isDirectory) {
            return Stream.concat(
              Stream.succeed({ ...common, kind: "directory" as const }),
              below(tree, at, `${path}/`),
            )
          }
          const bytes = yield* tree.attempt(at, (fs) => fs.readFileBuffer(at))
          const size = bytes.length
          return Stream.succeed({
            ...common,
            kind: "file" as const,
            size,
            content: Stream.succeed(bytes),
          })
        }),
      ),
    ),
  )

/** Packs a folder, as `tar -C folder -c .` does. */
export const getArchive = (tree: FileTree, path: string): Stream.Stream<Uint8Array, FileError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { kind } = yield* tree.stat(path)
      if (kind !== "directory") {
        return yield* new NotADirectory({ path })
      }
      return packArchive(below(tree, yield* tree.resolve(path), ""))
    }),
  )

/** Unpacks as `tar -x` does: nothing outside of the folder is written, and links keep their targets. */
export const putArchive = Effect.fnUntraced(function* <E>(
  tree: FileTree,
  path: string,
  archive: Stream.Stream<Uint8Array, E>,
): Effect.fn.Return<void, FileError | E> {
  const root = yield* tree.makeDirectory(path)

  /** The path of an entry, by its name in the archive; undefined for the folder itself. */
  const place = Effect.fnUntraced(function* (name: string) {
    const relative = yield* storagePath(name).pipe(
      Effect.mapError(
        ({ reason }) => new InvalidArchive({ reason: `${JSON.stringify(name)}: ${reason}` }),
      ),
    )
    if (relative === "") return undefined
    const target = `${root === "/" ? "" : root}/${relative}`
    // A link that came earlier in the archive must not carry later entries out of the folder.
    const parent = target.slice(0, target.lastIndexOf("/"))
    const real = yield* tree.resolve(parent)
    if (root !== "/" && real !== root && !real.startsWith(`${root}/`)) {
      return yield* new InvalidArchive({ reason: `${JSON.stringify(name)} has a link in its path` })
    }
    return { target, parent: parent || "/" }
  })

  /** The bytes of an entry; for a hard link, those of the file that it links to. */
  const bytesOf = Effect.fnUntraced(function* (entry: ArchiveEntry<FileError | E>) {
    if (entry.kind !== "hardlink") {
      return Uint8Array.from(Buffer.concat(yield* Stream.runCollect(entry.content)))
    }
    const original = yield* place(entry.linkTarget ?? "")
    if (original === undefined || !(yield* tree.lstat(original.target))?.isFile) {
      const reason = `${JSON.stringify(entry.path)} is a hard link to no file of the archive`
      return yield* new InvalidArchive({ reason })
    }
    return yield* tree.read(original.target)
  })

  // Folders get their times at the end: unpacking into a folder changes its time.
  const folders = new Map<string, Date | undefined>()
  yield* unpackArchive(archive, (entry) =>
    Effect.gen(function* () {
      const found = yield* place(entry.path)
      if (found === undefined) return
      const { target, parent } = found
      if (entry.kind === "directory") {
        const made = yield* tree.makeDirectory(target)
        folders.set(made, entry.modifiedAt)
        return yield* tree.attempt(target, (fs) => fs.chmod(made, entry.mode))
      }
      if (entry.kind === "other") return
      const bytes = entry.kind === "symlink" ? undefined : yield* bytesOf(entry)
      // A file or link at this path is replaced. Writing to it would write through a link.
      const existing = yield* tree.lstat(target)
      if (existing !== undefined && !existing.isDirectory) {
        yield* tree.attempt(target, (fs) => fs.rm(target))
      }
      if (bytes === undefined) {
        yield* tree.makeDirectory(parent)
        return yield* tree.attempt(target, (fs) => fs.symlink(entry.linkTarget ?? "", target))
      }
      yield* tree.write(target, bytes, entry.mode, entry.modifiedAt)
    }),
  )
  for (const [folder, modifiedAt] of folders) yield* tree.setTime(folder, modifiedAt)
})
