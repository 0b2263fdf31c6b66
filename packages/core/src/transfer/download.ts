import { Effect } from "effect"
import { FileTooLarge, NotAFile } from "../errors.ts"
import type { SandboxDriver } from "../SandboxDriver.ts"
import { SessionFiles } from "../SessionFiles.ts"
import { type FilePath, storagePath } from "../values/FilePath.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import { unpackArchive } from "./Archive.ts"
import { makeMeter, type OnTransfer, type TransferError, type TransferReport } from "./progress.ts"
import { SmallFiles } from "./SmallFiles.ts"
import { makeBound } from "./untrusted/bounded.ts"
import { Unpacked } from "./untrusted/Unpacked.ts"
import { type Unpacking, unpackEntry } from "./untrusted/unpackEntry.ts"

/**
 * Copies a file or a whole folder out of a sandbox into session storage.
 *
 * The archive of a folder is written by code we do not trust: only regular files and folders are taken,
 * each path is checked to stay below the destination, and bytes and entries are bounded. A hard link is
 * a copy of an earlier file of the same archive, its bytes counted again; it can name no other file.
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
  const { kind, size, mode, modifiedAt } = yield* driver.stat(id, from)
  const meter = yield* makeMeter(onProgress, kind === "file" ? size : undefined)
  const bound = makeBound(meter, from, limit)
  if (kind === "file") {
    if (size > limit) return yield* new FileTooLarge({ path: from, size, limit })
    const content = bound(driver.readFile(id, from, { lent: true }))
    yield* files.write(to, content, mode & 0o777, modifiedAt)
    meter.counted.files = 1
    yield* meter.done
    return { ...meter.counted, directories: 0, skipped: [] }
  }
  if (kind !== "directory") return yield* new NotAFile({ path: from, kind })
  const root = yield* storagePath(to === "" ? "." : to)
  yield* files.makeDirectory(root)
  const unpacked = new Unpacked()
  const small = new SmallFiles(files)
  const unpacking: Unpacking = { from, root, files, small, unpacked, meter, bound }
  yield* unpackArchive(driver.getArchive(id, from), (entry) => unpackEntry(unpacking, entry))
  yield* small.flush
  for (const [path, modifiedAt] of unpacked.folders) {
    yield* files.makeDirectory(path, modifiedAt)
  }
  yield* meter.done
  return { ...meter.counted, directories: unpacked.directories, skipped: unpacked.skipped }
})
