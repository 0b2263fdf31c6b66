import { Array as Arr, Effect, Stream } from "effect"
import { NotAFile } from "../errors.ts"
import type { SandboxDriver } from "../SandboxDriver.ts"
import { SessionFiles, type SessionFilesEntry, type SessionFilesError } from "../SessionFiles.ts"
import type { FilePath } from "../values/FilePath.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import { type ArchiveEntry, packArchive } from "./Archive.ts"
import { makeMeter, type OnTransfer, type TransferError, type TransferReport } from "./progress.ts"
import { smallFile } from "./SmallFiles.ts"

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
    yield* driver.writeFile(id, to, { bytes, size, mode: mode & 0o777, modifiedAt })
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
      whole,
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
