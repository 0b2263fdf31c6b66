import { Effect, Fiber, FiberMap, type Scope, Semaphore, Stream } from "effect"
import { type ArchiveEntry, unpackArchive } from "./Archive.ts"
import { type FileError, FileTooLarge, InvalidArchive, NotAFile } from "./errors.ts"
import type { SandboxDriver } from "./SandboxDriver.ts"
import { SessionFiles, type SessionFilesError } from "./SessionFiles.ts"
import {
  makeMeter,
  type OnTransfer,
  smallFile,
  type TransferError,
  type TransferReport,
} from "./Transfer.ts"
import { type FilePath, storagePath } from "./values/FilePath.ts"
import type { SandboxId } from "./values/SandboxId.ts"

// Far beyond honest folders; below what would exhaust a file system's inodes.
const mostEntries = 500_000
// Characters of all paths together: what is remembered of an archive is bounded by it.
const mostNames = 64 * 1024 ** 2

// Small files that are written at once.
const atOnce = 8

/**
 * What an archive has brought so far: its regular files, which hard links may name, its folders, whose
 * times are set when nothing more comes into them, and what was left out.
 */
export class Brought {
  readonly files = new Set<string>()
  readonly folders = new Map<string, Date | undefined>()
  readonly skipped: Array<TransferReport["skipped"][number]> = []
  #entries = 0
  #names = 0

  /** Refuses more entries, or longer names, than an honest folder has. */
  count(from: string, { path, linkTarget = "" }: ArchiveEntry<unknown>) {
    this.#entries += 1
    this.#names += path.length + linkTarget.length
    if (this.#entries > mostEntries) {
      return Effect.fail(new FileTooLarge({ path: from, size: this.#entries, limit: mostEntries }))
    }
    return this.#names > mostNames
      ? Effect.fail(
          new InvalidArchive({ reason: `its names take more than ${mostNames} characters` }),
        )
      : Effect.void
  }
}

/**
 * Copies a file or a whole folder out of a sandbox into session storage.
 *
 * The archive is written by code we do not trust: only regular files and folders are taken, each
 * path is checked to stay below the destination, and bytes and entries are bounded. A hard link is a
 * copy of an earlier file of the same archive, its bytes counted again; it can name no other file.
 *
 * @param limit bytes that may come at most
 */
export const download = Effect.fn("download")(function* (
  driver: SandboxDriver["Service"],
  id: SandboxId,
  from: FilePath,
  to: string,
  limit: number,
  onProgress?: OnTransfer,
): Effect.fn.Return<TransferReport, TransferError, SessionFiles | Scope.Scope> {
  const files = yield* SessionFiles
  const report = { files: 0, directories: 0, bytes: 0 }
  const bounded = <E>(content: Stream.Stream<Uint8Array, E>) =>
    Stream.mapArrayEffect(content, (chunks) => {
      const bytes = chunks.reduce((sum, { length }) => sum + length, 0)
      report.bytes += bytes
      return report.bytes > limit
        ? Effect.fail(new FileTooLarge({ path: from, size: report.bytes, limit }))
        : Effect.as(meter.bytes(bytes), chunks)
    })
  const stat = yield* driver.stat(id, from)
  const total = stat.kind === "file" ? stat.size : undefined
  const meter = yield* makeMeter(onProgress, total)
  if (stat.kind === "file") {
    if (stat.size > limit) return yield* new FileTooLarge({ path: from, size: stat.size, limit })
    const content = bounded(driver.readFile(id, from, { lent: true }))
    yield* files.write(to, content, stat.mode & 0o777, stat.modifiedAt)
    meter.counted.files = 1
    yield* meter.done
    return { ...report, files: 1, skipped: [] }
  }
  if (stat.kind !== "directory") return yield* new NotAFile({ path: from, kind: stat.kind })
  const root = yield* storagePath(to === "" ? "." : to)
  yield* files.makeDirectory(root)
  const brought = new Brought()
  const below = (path: string) => (root === "" ? path : `${root}/${path}`)
  // Small files are written while the next ones are read; of two with one path the later stays.
  const writing = yield* FiberMap.make<string, void, FileError | FileTooLarge | SessionFilesError>()
  const room = Semaphore.makeUnsafe(atOnce)
  const written = Effect.fnUntraced(function* (path: string) {
    const before = FiberMap.getUnsafe(writing, path)
    if (before._tag === "Some") yield* Fiber.await(before.value)
  })
  const write = (path: string, { size, mode, modifiedAt, content }: ArchiveEntry<FileError>) => {
    const bits = mode & 0o777
    if (size > smallFile) {
      return Effect.andThen(written(path), files.write(path, bounded(content), bits, modifiedAt))
    }
    return Effect.gen(function* () {
      const whole = Stream.fromIterable(yield* Stream.runCollect(bounded(content)))
      yield* written(path)
      yield* room.take(1)
      yield* FiberMap.run(
        writing,
        path,
        Effect.ensuring(files.write(path, whole, bits, modifiedAt), room.release(1)),
      )
    })
  }

  /** What the storage takes of an entry's path, or why it takes none of it. */
  const placeOf = Effect.fnUntraced(function* (path: string) {
    const found = yield* Effect.option(storagePath(path))
    if (found._tag === "None") return { refused: "its path would leave the destination" }
    const refused = files.refuses?.(found.value)
    return refused === undefined ? { path: found.value } : { refused }
  })

  const unpacked = unpackArchive(driver.getArchive(id, from), (entry) =>
    Effect.gen(function* () {
      yield* brought.count(from, entry)
      const skip = (reason: string) =>
        Effect.sync(() => void brought.skipped.push({ path: entry.path, reason }))
      if (entry.kind === "symlink") return yield* skip("links are not downloaded")
      if (entry.kind === "other") return yield* skip("it is neither a file nor a folder")
      const place = yield* placeOf(entry.path)
      if (place.refused !== undefined) return yield* skip(place.refused)
      const { path } = place
      if (path === "") return
      const target = below(path)
      if (entry.kind === "directory") {
        yield* files.makeDirectory(target)
        brought.folders.set(target, entry.modifiedAt)
        report.directories += 1
        return
      }
      if (entry.kind === "hardlink") {
        const original = yield* placeOf(entry.linkTarget ?? "")
        const source = original.path ?? path
        if (source === path || !brought.files.has(source)) {
          return yield* skip("it is a hard link to no file that came before it")
        }
        yield* written(below(source))
        const { size } = yield* files.stat(below(source))
        yield* write(target, { ...entry, size, content: files.read(below(source)) })
      } else yield* write(target, entry)
      brought.files.add(path)
      report.files += 1
      meter.counted.files = report.files
    }),
  )
  // The first write that fails ends all of it.
  yield* Effect.raceFirst(
    Effect.andThen(unpacked, FiberMap.awaitEmpty(writing)),
    Effect.andThen(FiberMap.join(writing), Effect.never),
  )
  for (const [path, modifiedAt] of brought.folders) {
    yield* files.makeDirectory(path, modifiedAt)
  }
  yield* meter.done
  return { ...report, skipped: brought.skipped }
}, Effect.scoped)
