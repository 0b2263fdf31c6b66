import { Backlog, type Piece } from "./Backlog.ts"
import { Blocks } from "./Blocks.ts"
import { ProtocolFault } from "./errors.ts"

/** What a channel's output may be. */
export interface OutputOptions {
  /** Bytes that may wait here: 256 KiB by default. */
  readonly window?: number
  /** Bytes in all; more drop the connection. Unlimited by default. */
  readonly limit?: number
  /**
   * - `plain`, by default.
   * - `bulk`: it comes in blocks. `lent`: these are to be given back with `giveBack`.
   * - `log`: it may hold positions in a log, by which what was lost of it is counted.
   * - `socket`: it may end before its channel.
   */
  readonly kind?: "plain" | "bulk" | "lent" | "log" | "socket"
  /** The position from which on a log is wanted: 0 by default. */
  readonly position?: number
}

/** Bytes of output that may come at first. */
export const firstCredit = ({
  window = 256 * 1024,
  limit = Number.POSITIVE_INFINITY,
}: OutputOptions): number => Math.min(window, limit)

/** The output of a channel: what waits of it, and what may still come. */
export class ChannelOutput {
  readonly #kind: OutputOptions["kind"]
  readonly #backlog: Backlog | Blocks
  readonly #firstCredit: number
  /** Of the window, which is worth a frame: bulk has more on its way than it needs. */
  readonly #share: number
  /** Bytes that may still come, that may be granted in all, and that were taken since. */
  #granted: number
  #grantable: number
  #taken = 0
  #isLeft = false
  #ended = false
  readonly #positionBytes = Buffer.alloc(8)
  #positionLength = 0
  /** Where in its log what comes next should be, and whether the log's first position has come. */
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

  /** Whether more is to be waited for, for a moment, before its consumer is woken. */
  get meagre(): boolean {
    return this.#backlog instanceof Blocks && !this.#backlog.empty && !this.#backlog.plenty
  }

  /** Whether the other side has said that nothing more comes. */
  get ended(): boolean {
    return this.#ended
  }

  onData(stream: number, bytes: Uint8Array): void {
    if (this.#ended) throw new ProtocolFault("output after its end")
    if (bytes.length === 0) return
    if (stream === 0) {
      this.#onPosition(bytes)
      return
    }
    if (bytes.length > this.#granted) throw new ProtocolFault("output beyond its credit")
    this.#granted -= bytes.length
    this.#position += bytes.length
    if (!this.#isLeft) this.#backlog.push(stream, bytes)
  }

  onEnd(): void {
    if (this.#kind !== "socket" || this.#ended) throw new ProtocolFault("an end of an output")
    this.#ended = true
  }

  /** All that waits, oldest first. */
  take(): Array<Piece> {
    const pieces = this.#backlog.take()
    for (const { stream, bytes } of pieces) if (stream !== 0) this.#taken += bytes.length
    return pieces
  }

  /** What is to be granted for what was taken: 0 until it is worth a frame. */
  grant(): number {
    const count = Math.min(this.#taken, this.#grantable)
    if (count < Math.min(this.#firstCredit * this.#share, this.#grantable)) return 0
    this.#taken -= count
    this.#grantable -= count
    this.#granted += count
    return count
  }

  /** Nobody takes what comes from now on. */
  leave(): void {
    this.#isLeft = true
    this.#backlog.take()
  }

  #onPosition(bytes: Uint8Array): void {
    const backlog = this.#backlog
    if (!(backlog instanceof Backlog) || this.#kind !== "log") {
      throw new ProtocolFault("a position where none can be")
    }
    for (const byte of bytes) {
      this.#positionBytes[this.#positionLength++] = byte
      if (this.#positionLength < 8) continue
      this.#positionLength = 0
      const lost = this.#moveTo(Number(this.#positionBytes.readBigUInt64LE()))
      if (lost > 0 && !this.#isLeft) backlog.lost(lost)
    }
  }

  /** @returns how many bytes are missing before it */
  #moveTo(position: number): number {
    const lost = position - this.#position
    // A log may end before the first position that is wanted of it.
    if (!Number.isSafeInteger(position) || (lost < 0 && this.#isPlaced)) {
      throw new ProtocolFault("a position before one that it had told")
    }
    this.#isPlaced = true
    this.#position = position
    return lost
  }
}
