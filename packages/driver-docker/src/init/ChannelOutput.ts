import { Backlog, type Piece } from "./Backlog.ts"
import { Blocks } from "./Blocks.ts"
import { ProtocolFault } from "./errors.ts"

/** Options of a channel's output. */
export interface OutputOptions {
  /** Bytes that may wait here. Default: 256 KiB. */
  readonly window?: number
  /** The most bytes in total; more drop the connection. Default: unlimited. */
  readonly limit?: number
  /**
   * - `plain`, by default.
   * - `bulk`: the output comes in blocks. `lent`: the consumer gives the blocks back with
   *   `giveBack`.
   * - `log`: the output may hold positions in a log, from which the number of lost bytes is
   *   computed.
   * - `socket`: the output may end before its channel.
   */
  readonly kind?: "plain" | "bulk" | "lent" | "log" | "socket"
  /** The first position of a log that is wanted. Default: 0. */
  readonly position?: number
}

/** The initial credit for output, in bytes. */
export const firstCredit = ({
  window = 256 * 1024,
  limit = Number.POSITIVE_INFINITY,
}: OutputOptions): number => Math.min(window, limit)

/** The output of a channel: the part that waits, and the credit for more. */
export class ChannelOutput {
  readonly #kind: OutputOptions["kind"]
  readonly #backlog: Backlog | Blocks
  readonly #firstCredit: number
  /** The share of the window that is worth a frame of credit. Bulk output has more in flight than it needs. */
  readonly #share: number
  /** Bytes that may still come, bytes that may be granted in total, and bytes consumed since the last grant. */
  #granted: number
  #grantable: number
  #taken = 0
  #isLeft = false
  #ended = false
  readonly #positionBytes = Buffer.alloc(8)
  #positionLength = 0
  /** The expected position of the next output in its log, and whether the first position has arrived. */
  #position: number
  #isPlaced = false

  constructor(options: OutputOptions) {
    this.#kind = options.kind
    const isBulk = options.kind === "bulk" || options.kind === "lent"
    this.#backlog = isBulk ? new Blocks(options.kind === "lent") : new Backlog()
    this.#share = isBulk ? 1 / 2 : 1 / 4
    this.#firstCredit = firstCredit(options)
    this.#granted = this.#firstCredit
    this.#position = options.position ?? 0
    this.#grantable = (options.limit ?? Number.POSITIVE_INFINITY) - this.#firstCredit
  }

  get empty(): boolean {
    return this.#backlog.empty
  }

  /** Whether to wait a moment for more output before the consumer is woken. */
  get meagre(): boolean {
    return this.#backlog instanceof Blocks && !this.#backlog.empty && !this.#backlog.plenty
  }

  /** Whether the other side has said that nothing more comes. */
  get ended(): boolean {
    return this.#ended
  }

  onData(stream: number, bytes: Uint8Array): void {
    if (this.#ended) throw new ProtocolFault("output after the end of output")
    if (bytes.length === 0) return
    if (stream === 0) {
      this.#onPosition(bytes)
      return
    }
    if (bytes.length > this.#granted) throw new ProtocolFault("more output than its credit allows")
    this.#granted -= bytes.length
    this.#position += bytes.length
    if (!this.#isLeft) this.#backlog.push(stream, bytes)
  }

  onEnd(): void {
    if (this.#kind !== "socket" || this.#ended)
      throw new ProtocolFault("an unexpected end of output")
    this.#ended = true
  }

  /** All that waits, oldest first. */
  take(): Array<Piece> {
    const pieces = this.#backlog.take()
    for (const { stream, bytes } of pieces) if (stream !== 0) this.#taken += bytes.length
    return pieces
  }

  /** The credit to grant for consumed output: 0 until it is worth a frame. */
  grant(): number {
    const count = Math.min(this.#taken, this.#grantable)
    if (count < Math.min(this.#firstCredit * this.#share, this.#grantable)) return 0
    this.#taken -= count
    this.#grantable -= count
    this.#granted += count
    return count
  }

  /** From now on, output is dropped: there is no consumer any more. */
  leave(): void {
    this.#isLeft = true
    this.#backlog.take()
  }

  #onPosition(bytes: Uint8Array): void {
    const backlog = this.#backlog
    if (!(backlog instanceof Backlog) || this.#kind !== "log") {
      throw new ProtocolFault("a log position in output that is not a log")
    }
    for (const byte of bytes) {
      this.#positionBytes[this.#positionLength++] = byte
      if (this.#positionLength < 8) continue
      this.#positionLength = 0
      const lost = this.#moveTo(Number(this.#positionBytes.readBigUInt64LE()))
      if (lost > 0 && !this.#isLeft) backlog.lost(lost)
    }
  }

  /** @returns the number of bytes that are missing before that position */
  #moveTo(position: number): number {
    const lost = position - this.#position
    // A log may end before the first wanted position.
    if (!Number.isSafeInteger(position) || (lost < 0 && this.#isPlaced)) {
      throw new ProtocolFault("a log position that is lower than the one before")
    }
    this.#isPlaced = true
    this.#position = position
    return lost
  }
}
