import { Effect, Stream } from "effect"
import { type FileError, FileTooLarge, InvalidArchive, NotAFile } from "../errors.ts"
import type { SandboxDriver } from "../SandboxDriver.ts"
import { SessionFiles, type SessionFilesError, type SmallFile } from "../SessionFiles.ts"
import { type FilePath, storagePath } from "../values/FilePath.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import { type ArchiveEntry, unpackArchive } from "./Archive.ts"
import {
  makeMeter,
  type OnTransfer,
  smallFile,
  type TransferError,
  type TransferReport,
} from "./upload.ts"

// Far beyond honest folders; below what would exhaust a file system's inodes.
const mostEntries = 500_000
// Characters of all paths together: what is remembered of an archive is bounded by it.
const mostNames = 64 * 1024 ** 2

// Small files, and bytes of them, that are gathered to be written together.
const mostSmall = 256
const mostSmallBytes = 1024 * 1024
// Of these, that a storage which takes them one by one writes at once.
const atOnce = 8

/** Small files that wait to be written; of two with one path the later stays. */
class SmallFiles {
  readonly #storage: SessionFiles["Service"]
  #waiting = new Map<string, SmallFile>()
  #bytes = 0

  constructor(storage: SessionFiles["Service"]) {
    this.#storage = storage
  }

  add(file: SmallFile): Effect.Effect<void, SessionFilesError> {
    this.#waiting.set(file.path, file)
    this.#bytes += file.content.length
    const isMuch = this.#waiting.size >= mostSmall || this.#bytes >= mostSmallBytes
    return isMuch ? this.flush : Effect.void
  }

  /** Writes all that waits. */
  readonly flush: Effect.Effect<void, SessionFilesError> = Effect.suspend(() => {
    const files = [...this.#waiting.values()]
    this.#waiting = new Map()
    this.#bytes = 0
    if (files.length === 0) return Effect.void
    if (this.#storage.writeAll !== undefined) return this.#storage.writeAll(files)
    return Effect.forEach(
      files,
      ({ path, content, mode, modifiedAt }) =>
        this.#storage.write(path, Stream.succeed(content), mode, modifiedAt),
      { concurrency: atOnce, discard: true },
    )
  })
}

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
 * At most `limit` bytes may come.
 */
export const download = Effect.fn("download")(function* (
  driver: SandboxDriver["Service"],
  id: SandboxId,
  from: FilePath,
  to: string,
  limit: number,
  onProgress?: OnTransfer,
): Effect.fn.Return<TransferReport, TransferError, SessionFiles> {
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
  const small = new SmallFiles(files)
  const write = (path: string, entry: ArchiveEntry<FileError>) => {
    const { size, content, modifiedAt } = entry
    const mode = entry.mode & 0o777
    if (size > smallFile) {
      return Effect.andThen(small.flush, files.write(path, bounded(content), mode, modifiedAt))
    }
    return Effect.flatMap(Stream.runCollect(bounded(content)), (pieces) =>
      small.add({
        path,
        content: pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces),
        mode,
        ...(modifiedAt === undefined ? {} : { modifiedAt }),
      }),
    )
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
        yield* small.flush
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
        yield* small.flush
        const { size } = yield* files.stat(below(source))
        yield* write(target, { ...entry, size, content: files.read(below(source)) })
      } else yield* write(target, entry)
      brought.files.add(path)
      report.files += 1
      meter.counted.files = report.files
    }),
  )
  yield* unpacked
  yield* small.flush
  for (const [path, modifiedAt] of brought.folders) {
    yield* files.makeDirectory(path, modifiedAt)
  }
  yield* meter.done
  return { ...report, skipped: brought.skipped }
})
