import { constants } from "node:fs"
import type { FileHandle } from "node:fs/promises"
import { Effect, Stream } from "effect"
import { NotAFile } from "../errors.ts"
import type { SessionFilesError } from "../SessionFiles.ts"
import { lend } from "../transfer/lentBytes.ts"
import type { Tree } from "./folder.ts"
import { attempt, openFile, openParent } from "./opening.ts"
import { kindOf } from "./posix.ts"

// One call reads many chunks: each call waits for its turn in the thread pool, and the allocator would map and
// clear larger chunks anew, each for itself.
const chunkBytes = 64 * 1024
const readBytes = 1024 * 1024
// Size of a buffer that is lent and used again.
const lentBytes = 512 * 1024

const chunksOf = (bytes: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, n) =>
    bytes.subarray(n * chunkBytes, (n + 1) * chunkBytes),
  )

interface Piece {
  readonly bytes: Uint8Array
  readonly isLast: boolean
}

/** Reads an open file piece by piece, up to the size that it had when it was opened. */
class FileReader {
  readonly #handle: FileHandle
  readonly #lent: boolean
  /** Buffers that were given back. */
  readonly #free: Array<Buffer> = []
  /** Bytes. */
  #left: number
  #ahead: Promise<Piece> | undefined

  constructor(handle: FileHandle, size: number, lent: boolean) {
    this.#handle = handle
    this.#lent = lent
    // Files of /proc say that they are empty: such a file is read to its end.
    this.#left = size === 0 ? Number.POSITIVE_INFINITY : size
  }

  /** The next piece. While the caller uses a lent piece, the one after it is read already. */
  async next(): Promise<Piece> {
    const piece = await (this.#ahead ?? this.#read())
    if (this.#lent && !piece.isLast) {
      this.#ahead = this.#read()
      this.#ahead.catch(() => {})
    }
    return piece
  }

  async #read(): Promise<Piece> {
    const most = this.#lent ? lentBytes : readBytes
    const length = Math.min(most, this.#left)
    const memory = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#lent ? most : length)
    const { bytesRead, buffer } = await this.#handle.read(memory, 0, length, null)
    this.#left = bytesRead === 0 ? 0 : this.#left - bytesRead
    const bytes = buffer.subarray(0, bytesRead)
    return {
      isLast: this.#left <= 0,
      bytes: this.#lent ? lend(bytes, () => this.#free.push(buffer)) : bytes,
    }
  }
}

/** See `SessionFiles.read`. */
export const readFile = (
  tree: Tree,
  path: string,
  lent: boolean,
): Stream.Stream<Uint8Array, SessionFilesError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { folder, name } = yield* openParent(tree, path)
      // Without O_NONBLOCK the opening of a FIFO would wait for a writer.
      const handle = yield* openFile(path, folder, name, constants.O_RDONLY | constants.O_NONBLOCK)
      const stats = yield* attempt(path, () => handle.stat())
      if (!stats.isFile()) return yield* new NotAFile({ path, kind: kindOf(stats) })
      const reader = new FileReader(handle, stats.size, lent)
      return Stream.fromEffectRepeat(attempt(path, () => reader.next())).pipe(
        Stream.takeUntil(({ isLast }) => isLast),
        Stream.map(({ bytes }) => (lent ? [bytes] : chunksOf(bytes))),
        Stream.flattenIterable,
      )
    }),
  )
