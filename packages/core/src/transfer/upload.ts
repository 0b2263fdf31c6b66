import { Array as Arr, Clock, Effect, Stream } from "effect"
import { type FileError, type FileTooLarge, NotAFile } from "../errors.ts"
import type { SandboxDriver } from "../SandboxDriver.ts"
import { SessionFiles, type SessionFilesEntry, type SessionFilesError } from "../SessionFiles.ts"
import type { FilePath } from "../values/FilePath.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import { type ArchiveEntry, packArchive } from "./Archive.ts"

/** What a transfer brought. */
export interface TransferReport {
  readonly files: number
  readonly directories: number
  /** Of file contents. */
  readonly bytes: number
  /** What was left out, and why: links, devices and paths that would leave the destination. */
  readonly skipped: ReadonlyArray<{ readonly path: string; readonly reason: string }>
}

/** How far a transfer has come. */
export interface TransferProgress {
  /** Of file contents, so far. */
  readonly bytes: number
  /** Files that are done. */
  readonly files: number
  /** Bytes in all, where it is one file. */
  readonly total?: number
  /** Bytes per second, since it began. */
  readonly rate: number
}

/** Told how far a transfer is. */
export type OnTransfer = (progress: TransferProgress) => Effect.Effect<void>

/** What an upload or a download may fail with. */
export type TransferError = FileError | SessionFilesError | FileTooLarge

// Files of this size and less are read and written several at once: each costs the disk's and the
// thread pool's time to answer, not to carry.
export const smallFile = 64 * 1024

const progressInterval = 200

/** Counts what a transfer carries and tells about it: now and then, and once in the end. */
export const makeMeter = Effect.fnUntraced(function* (
  onProgress: OnTransfer | undefined,
  total?: number,
) {
  const began = yield* Clock.currentTimeMillis
  const counted = { bytes: 0, files: 0 }
  let told = began
  const tell = (now: number) => {
    if (onProgress === undefined) return Effect.void
    told = now
    const rate = (counted.bytes / Math.max(1, now - began)) * 1000
    return onProgress({ ...counted, ...(total === undefined ? {} : { total }), rate })
  }
  const now = Clock.currentTimeMillis
  return {
    counted,
    bytes: (count: number) => {
      counted.bytes += count
      return Effect.flatMap(now, (now) => (now - told < progressInterval ? Effect.void : tell(now)))
    },
    done: Effect.flatMap(now, tell),
  }
})

/** Copies a file or a whole folder from session storage into a sandbox. */
export const upload = Effect.fn("upload")(function* (
  driver: SandboxDriver["Service"],
  id: SandboxId,
  from: string,
  to: FilePath,
  onProgress?: OnTransfer,
): Effect.fn.Return<TransferReport, TransferError, SessionFiles> {
  const files = yield* SessionFiles
  const stat = yield* files.stat(from)
  const total = stat.kind === "file" ? stat.size : undefined
  const meter = yield* makeMeter(onProgress, total)
  const metered = <E>(content: Stream.Stream<Uint8Array, E>) =>
    Stream.tap(content, ({ length }) => meter.bytes(length))
  if (stat.kind === "file") {
    const { size, mode, modifiedAt } = stat
    const bytes = metered(files.read(from, { lent: true }))
    const dated = modifiedAt === undefined ? {} : { modifiedAt }
    yield* driver.writeFile(id, to, { bytes, size, mode: mode & 0o777, ...dated })
    meter.counted.files = 1
    yield* meter.done
    return { files: 1, directories: 0, bytes: size, skipped: [] }
  }
  if (stat.kind !== "directory") return yield* new NotAFile({ path: from, kind: stat.kind })
  const report = { files: 0, directories: 0, bytes: 0 }
  const skipped: Array<TransferReport["skipped"][number]> = []
  const prefix = from === "" || from.endsWith("/") ? from : `${from}/`
  const toEntry = (entry: SessionFilesEntry): ArchiveEntry<SessionFilesError> => {
    if (entry.kind === "file") {
      report.files += 1
      report.bytes += entry.size
    } else if (entry.kind === "directory") {
      report.directories += 1
    } else if (entry.kind === "other") {
      skipped.push({ path: entry.path, reason: "it is neither a file, a folder nor a link" })
    }
    const { content: whole, ...rest } = entry
    return {
      ...rest,
      mode: entry.mode & 0o777,
      // Asked of files alone, and of those alone that the walk did not bring.
      content: Stream.suspend(() => metered(files.read(`${prefix}${entry.path}`, { lent: true }))),
      ...(whole === undefined ? {} : { whole }),
    }
  }
  const entries = files.walk(from, { contents: smallFile }).pipe(
    Stream.mapArrayEffect((found) => {
      const batch = Arr.map(found, toEntry)
      meter.counted.files = report.files
      const bytes = batch.reduce((sum, { whole }) => sum + (whole?.length ?? 0), 0)
      return Effect.as(meter.bytes(bytes), batch)
    }),
  )
  yield* driver.putArchive(id, to, packArchive(entries))
  yield* meter.done
  return { ...report, skipped }
})
