import { Effect, Stream } from "effect"
import { type ArchiveEntry, packArchive, unpackArchive } from "./Archive.ts"
import { type FileError, FileTooLarge, NotAFile } from "./errors.ts"
import type { SandboxDriver } from "./SandboxDriver.ts"
import { SessionFiles, type SessionFilesError } from "./SessionFiles.ts"
import { type FilePath, storagePath } from "./values/FilePath.ts"
import type { SandboxId } from "./values/SandboxId.ts"

/** What a transfer brought. */
export interface TransferReport {
  readonly files: number
  readonly directories: number
  /** Of file contents. */
  readonly bytes: number
  /** What was left out, and why: links, devices and paths that would leave the destination. */
  readonly skipped: ReadonlyArray<{ readonly path: string; readonly reason: string }>
}

export type TransferError = FileError | SessionFilesError | FileTooLarge

// Far beyond honest folders; below what would exhaust a file system's inodes.
const mostEntries = 500_000

/** Copies a file or a whole folder from session storage into a sandbox. */
export const upload = Effect.fn("upload")(function* (
  driver: SandboxDriver["Service"],
  id: SandboxId,
  from: string,
  to: FilePath,
): Effect.fn.Return<TransferReport, TransferError, SessionFiles> {
  const files = yield* SessionFiles
  const stat = yield* files.stat(from)
  if (stat.kind === "file") {
    const { size, mode } = stat
    yield* driver.writeFile(id, to, { bytes: files.read(from), size, mode: mode & 0o777 })
    return { files: 1, directories: 0, bytes: size, skipped: [] }
  }
  if (stat.kind !== "directory") return yield* new NotAFile({ path: from, kind: stat.kind })
  const report = { files: 0, directories: 0, bytes: 0 }
  const skipped: Array<TransferReport["skipped"][number]> = []
  const prefix = from === "" || from.endsWith("/") ? from : `${from}/`
  const entries = files.walk(from).pipe(
    Stream.map((entry): ArchiveEntry<SessionFilesError> => {
      if (entry.kind === "file") {
        report.files += 1
        report.bytes += entry.size
      } else if (entry.kind === "directory") {
        report.directories += 1
      } else if (entry.kind === "other") {
        skipped.push({ path: entry.path, reason: "it is neither a file, a folder nor a link" })
      }
      const content = entry.kind === "file" ? files.read(`${prefix}${entry.path}`) : Stream.empty
      return { ...entry, mode: entry.mode & 0o777, content }
    }),
  )
  yield* driver.putArchive(id, to, packArchive(entries))
  return { ...report, skipped }
})

/**
 * Copies a file or a whole folder out of a sandbox into session storage.
 *
 * The archive is written by code we do not trust: only regular files and folders are taken, each
 * path is checked to stay below the destination, and bytes and entries are bounded.
 *
 * @param limit bytes that may come at most
 */
export const download = Effect.fn("download")(function* (
  driver: SandboxDriver["Service"],
  id: SandboxId,
  from: FilePath,
  to: string,
  limit: number,
): Effect.fn.Return<TransferReport, TransferError, SessionFiles> {
  const files = yield* SessionFiles
  const report = { files: 0, directories: 0, bytes: 0 }
  const skipped: Array<TransferReport["skipped"][number]> = []
  const bounded = <E>(content: Stream.Stream<Uint8Array, E>) =>
    Stream.tap(content, (chunk) => {
      report.bytes += chunk.length
      return report.bytes > limit
        ? Effect.fail(new FileTooLarge({ path: from, size: report.bytes, limit }))
        : Effect.void
    })
  const stat = yield* driver.stat(id, from)
  if (stat.kind === "file") {
    if (stat.size > limit) return yield* new FileTooLarge({ path: from, size: stat.size, limit })
    yield* files.write(to, bounded(driver.readFile(id, from)), stat.mode & 0o777)
    return { ...report, files: 1, skipped }
  }
  if (stat.kind !== "directory") return yield* new NotAFile({ path: from, kind: stat.kind })
  const root = yield* storagePath(to === "" ? "." : to)
  yield* files.makeDirectory(root)
  let entries = 0
  yield* unpackArchive(driver.getArchive(id, from), (entry) =>
    Effect.gen(function* () {
      entries += 1
      if (entries > mostEntries) {
        return yield* new FileTooLarge({ path: from, size: entries, limit: mostEntries })
      }
      const skip = (reason: string) =>
        Effect.sync(() => void skipped.push({ path: entry.path, reason }))
      if (entry.kind === "symlink" || entry.kind === "hardlink") {
        return yield* skip("links are not downloaded")
      }
      if (entry.kind === "other") return yield* skip("it is neither a file nor a folder")
      const path = yield* Effect.option(storagePath(entry.path))
      if (path._tag === "None") return yield* skip("its path would leave the destination")
      if (path.value === "") return
      const target = root === "" ? path.value : `${root}/${path.value}`
      if (entry.kind === "directory") {
        yield* files.makeDirectory(target)
        report.directories += 1
      } else {
        yield* files.write(target, bounded(entry.content), entry.mode & 0o777)
        report.files += 1
      }
    }),
  )
  return { ...report, skipped }
})
