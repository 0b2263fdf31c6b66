import {
  type ArchiveEntry,
  FilePath,
  packArchive,
  SandboxDriver,
  SandboxName,
  SessionFiles,
  SessionId,
  sandboxId,
  sessionFilesMemory,
  sessionKey,
} from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { Effect, Layer, Stream } from "effect"
import { download } from "../../packages/core/src/transfer/download.ts"
import type { OnTransfer } from "../../packages/core/src/transfer/progress.ts"

type Driver = SandboxDriver["Service"]

export const id = sandboxId(sessionKey(SessionId.make("transfer")), SandboxName.make("box"))
export const place = FilePath.make("/work")
export const date = new Date(1_600_000_000_000)
export const bytes = (text: string) => new TextEncoder().encode(text)
export const layer = Layer.merge(sessionFilesMemory, memory())

export const entry = (path: string, kind: ArchiveEntry["kind"], text = ""): ArchiveEntry => ({
  path,
  kind,
  size: text.length,
  mode: 0o4750,
  modifiedAt: date,
  content: Stream.succeed(bytes(text)),
})

export const link = (path: string, linkTarget: string): ArchiveEntry => ({
  ...entry(path, "hardlink"),
  linkTarget,
})

export const textOf = (path: string) =>
  Effect.gen(function* () {
    const files = yield* SessionFiles
    return Buffer.concat(yield* Stream.runCollect(files.read(path))).toString()
  })

/** What a driver says of a made-up sandbox: its folder (or the archive of it), its file or a device. */
export type Found = ReadonlyArray<ArchiveEntry> | Stream.Stream<Uint8Array> | string | "device"

const archiveOf = (found: Found) => {
  if (Stream.isStream(found)) return found
  return packArchive(Stream.fromIterable(typeof found === "string" ? [] : found))
}

const statOf = (found: Found): ReturnType<Driver["stat"]> => {
  if (found === "device") return Effect.succeed({ kind: "other", size: 0, mode: 0o600 })
  return typeof found === "string"
    ? Effect.succeed({ kind: "file", size: found.length, mode: 0o4750, modifiedAt: date })
    : Effect.succeed({ kind: "directory", size: 0, mode: 0o755 })
}

/** Downloads what a sandbox calls its folder, or its file of that text. */
export const downloaded = (found: Found, into = "out", limit = 1000, onProgress?: OnTransfer) =>
  Effect.flatMap(SandboxDriver, (driver) => {
    const told: Driver = {
      ...driver,
      stat: () => statOf(found),
      readFile: () => Stream.map(Stream.fromIterable(String(found)), bytes),
      getArchive: () => archiveOf(found),
    }
    return download(told, id, place, into, limit, onProgress)
  }).pipe(Effect.scoped)
