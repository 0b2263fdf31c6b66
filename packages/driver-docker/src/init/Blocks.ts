import { lend } from "@cordon/core"
import type { Piece } from "./Backlog.ts"

const blockBytes = 128 * 1024

/** Bulk output that waits for its consumer, joined into blocks. */
export class Blocks {
  readonly #lends: boolean
  #full: Array<Piece> = []
  #block: Buffer | undefined
  #length = 0
  #stream = 1
  #total = 0
  readonly #free: Array<Buffer> = []

  /** @param lends whether the consumer gives blocks back, so that their memory is reused for the next ones */
  constructor(lends: boolean) {
    this.#lends = lends
  }

  get empty(): boolean {
    return this.#full.length === 0 && this.#length === 0
  }

  /** Whether enough has gathered to wake the consumer. */
  get plenty(): boolean {
    return this.#full.length > 0 && this.#total >= blockBytes
  }

  push(stream: number, bytes: Uint8Array): void {
    if (stream !== this.#stream) this.#end()
    this.#stream = stream
    for (let at = 0; at < bytes.length; ) {
      const block = this.#block ?? this.#make(bytes.length - at)
      this.#block = block
      const part = bytes.subarray(at, at + block.length - this.#length)
      block.set(part, this.#length)
      this.#length += part.length
      this.#total += part.length
      at += part.length
      if (this.#length === block.length) this.#end()
    }
  }

  /** All that waits, oldest first. */
  take(): Array<Piece> {
    this.#end()
    const taken = this.#full
    this.#full = []
    return taken
  }

  /** A small amount gets a block of just its size. */
  #make(length: number): Buffer {
    if (this.#total < blockBytes) return Buffer.allocUnsafeSlow(Math.min(length, blockBytes))
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(blockBytes)
  }

  #end(): void {
    const block = this.#block
    if (block === undefined || this.#length === 0) return
    const bytes = block.subarray(0, this.#length)
    if (this.#lends && block.length === blockBytes) lend(bytes, () => this.#free.push(block))
    this.#full.push({ stream: this.#stream, bytes })
    this.#block = undefined
    this.#length = 0
  }
}
