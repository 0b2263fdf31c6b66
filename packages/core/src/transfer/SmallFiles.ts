import { Effect, Stream } from "effect"
import type { SessionFiles, SessionFilesError, SmallFile } from "../SessionFiles.ts"

// Files of this size and less are read and written several at once: waiting for the disk and the thread pool takes
// longer than copying their bytes.
export const smallFile = 64 * 1024

// Small files, and their bytes, that are gathered to be written together.
const mostSmall = 256
const mostSmallBytes = 1024 * 1024
// Small files that are written at the same time, where a storage takes each by itself.
const atOnce = 8

/** Small files that wait to be written. Of two files with the same path the later is written. */
export class SmallFiles {
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
