import { Clock, Effect } from "effect"
import type { FileError, FileTooLarge } from "../errors.ts"
import type { SessionFilesError } from "../SessionFiles.ts"

/** What a transfer brought. */
export interface TransferReport {
  /** Files that were brought. */
  readonly files: number
  /** Folders that were brought. */
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
  readonly total?: number | undefined
  /** Bytes per second, since it began. */
  readonly rate: number
}

/** Told how far a transfer is. */
export type OnTransfer = (progress: TransferProgress) => Effect.Effect<void>

/** What an upload or a download may fail with. */
export type TransferError = FileError | SessionFilesError | FileTooLarge

// Milliseconds between two reports.
const progressInterval = 200

/** Counts what a transfer carries, and reports it: now and then, and once at the end. */
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
    return onProgress({ ...counted, total, rate })
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

/** The counters of a transfer. */
export type Meter = Effect.Success<ReturnType<typeof makeMeter>>
