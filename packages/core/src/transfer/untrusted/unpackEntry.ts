import { Effect, Stream } from "effect"
import type { SessionFiles, SessionFilesError } from "../../SessionFiles.ts"
import { type FilePath, type StoragePath, storagePath } from "../../values/FilePath.ts"
import type { ArchiveEntry } from "../Archive.ts"
import type { Meter } from "../progress.ts"
import { type SmallFiles, smallFile } from "../SmallFiles.ts"
import type { Bound } from "./bounded.ts"
import type { Unpacked } from "./Unpacked.ts"

/** An archive that is being unpacked. */
export interface Unpacking {
  /** Where the archive comes from, for errors. */
  readonly from: FilePath
  /** Where it is unpacked. */
  readonly root: StoragePath
  readonly files: SessionFiles["Service"]
  readonly small: SmallFiles
  readonly unpacked: Unpacked
  readonly meter: Meter
  readonly bound: Bound
}

const below = ({ root }: Unpacking, path: string) => (root === "" ? path : `${root}/${path}`)

/** The path of an entry as the storage takes it, or why the storage refuses it. */
const placeOf = Effect.fnUntraced(function* ({ files }: Unpacking, path: string) {
  const found = yield* Effect.option(storagePath(path))
  if (found._tag === "None") return { refused: "its path would leave the destination" }
  const refused = files.refuses?.(found.value)
  return refused === undefined ? { path: found.value } : { refused }
})

/** Writes a large file at once; a small one waits for others. */
const write = <E>(
  { files, small, bound }: Unpacking,
  path: string,
  entry: Pick<ArchiveEntry<E>, "size" | "mode" | "modifiedAt" | "content">,
) => {
  const { modifiedAt } = entry
  const mode = entry.mode & 0o777
  const content = bound(entry.content)
  if (entry.size > smallFile) {
    return Effect.andThen(small.flush, files.write(path, content, mode, modifiedAt))
  }
  return Effect.flatMap(Stream.runCollect(content), (pieces) =>
    small.add({
      path,
      content: pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces),
      mode,
      modifiedAt,
    }),
  )
}

/** The earlier file of the archive that a hard link names, as an entry of its own. */
const linked = Effect.fnUntraced(function* (
  unpacking: Unpacking,
  path: string,
  entry: ArchiveEntry<unknown>,
) {
  const { unpacked, files, small } = unpacking
  const original = yield* placeOf(unpacking, entry.linkTarget ?? "")
  const source = original.path ?? path
  if (source === path || !unpacked.files.has(source)) return undefined
  yield* small.flush
  const { size } = yield* files.stat(below(unpacking, source))
  const content: Stream.Stream<Uint8Array, SessionFilesError> = files.read(below(unpacking, source))
  return { ...entry, size, content }
})

/** Takes a regular file, a folder or a hard link of an archive, and notes what it leaves out. */
export const unpackEntry = Effect.fnUntraced(function* <E>(
  unpacking: Unpacking,
  entry: ArchiveEntry<E>,
) {
  const { from, files, small, unpacked, meter } = unpacking
  yield* unpacked.count(from, entry)
  const skip = (reason: string) =>
    Effect.sync(() => void unpacked.skipped.push({ path: entry.path, reason }))
  if (entry.kind === "symlink") return yield* skip("links are not downloaded")
  if (entry.kind === "other") return yield* skip("it is neither a file nor a folder")
  const place = yield* placeOf(unpacking, entry.path)
  if (place.refused !== undefined) return yield* skip(place.refused)
  const { path } = place
  if (path === "") return
  const target = below(unpacking, path)
  if (entry.kind === "directory") {
    yield* small.flush
    yield* files.makeDirectory(target)
    unpacked.folders.set(target, entry.modifiedAt)
    unpacked.directories += 1
    return
  }
  if (entry.kind === "hardlink") {
    const file = yield* linked(unpacking, path, entry)
    if (file === undefined) return yield* skip("it is a hard link to no file that came before it")
    yield* write(unpacking, target, file)
  } else yield* write(unpacking, target, entry)
  unpacked.files.add(path)
  meter.counted.files += 1
})
