/** A piece of a channel's output. */
export interface Piece {
  /**
   * 1 is standard output, 2 is standard error. 0 means that bytes of a kept process's log are
   * missing here; the piece holds their number in eight bytes.
   */
  readonly stream: number
  readonly bytes: Uint8Array
}

interface Open {
  readonly stream: number
  readonly space: Buffer
  length: number
}

// Longer pieces are kept as they are; shorter ones are joined. All are copied, since the memory
// that they arrived in is reused.
const long = 2048
const space = 4096
// The order between the streams of a channel is kept for up to this many waiting pieces.
const mostPieces = 64

/**
 * Output that waits for its consumer. Its memory is proportional to its bytes, even if the pieces
 * are small. Credit bounds the bytes.
 */
export class Backlog {
  #pieces: Array<Piece | Open> = []
  /** The last piece of each stream, if more can be appended to it. */
  readonly #open: [Open | undefined, Open | undefined, Open | undefined] = [
    undefined,
    undefined,
    undefined,
  ]

  get empty(): boolean {
    return this.#pieces.length === 0
  }

  push(stream: number, bytes: Uint8Array): void {
    const open = this.#open[stream]
    const isLast = open !== undefined && open === this.#pieces.at(-1)
    const mayAppend = open !== undefined && (isLast || this.#pieces.length >= mostPieces)
    if (mayAppend && open.length + bytes.length <= open.space.length) {
      open.space.set(bytes, open.length)
      open.length += bytes.length
      return
    }
    if (bytes.length >= long) {
      this.#open[stream] = undefined
      this.#pieces.push({ stream, bytes: Buffer.from(bytes) })
      return
    }
    const crowded = open !== undefined || this.#pieces.length >= mostPieces
    const next = {
      stream,
      space: Buffer.allocUnsafe(crowded ? space : Math.max(bytes.length, 128)),
      length: bytes.length,
    }
    next.space.set(bytes)
    this.#open[stream] = next
    this.#pieces.push(next)
  }

  /** Notes that so many bytes are missing here. If many pieces wait, all losses are added up. */
  lost(count: number): void {
    const open = this.#open[0]
    const isLast = open !== undefined && open === this.#pieces.at(-1)
    const isCrowded = this.#pieces.length >= mostPieces
    if (open !== undefined && (isLast || isCrowded)) {
      open.space.writeBigUInt64LE(open.space.readBigUInt64LE() + BigInt(count))
      return
    }
    // Later output must not be joined to pieces before the gap.
    if (!isCrowded) this.#open.fill(undefined)
    const next = { stream: 0, space: Buffer.alloc(8), length: 8 }
    next.space.writeBigUInt64LE(BigInt(count))
    this.#open[0] = next
    this.#pieces.push(next)
  }

  /** All that waits, oldest first. */
  take(): Array<Piece> {
    const taken = this.#pieces.map((piece) =>
      "bytes" in piece
        ? piece
        : { stream: piece.stream, bytes: piece.space.subarray(0, piece.length) },
    )
    this.#pieces = []
    this.#open.fill(undefined)
    return taken
  }
}
