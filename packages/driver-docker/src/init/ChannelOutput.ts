import { Backlog, type Piece } from "./Backlog.ts"
import { ProtocolFault } from "./errors.ts"

/** What a channel's output may be. */
export interface OutputOptions {
  /** Bytes that may wait here: 256 KiB by default. */
  readonly window?: number
  /** Bytes in all; more drop the connection. Unlimited by default. */
  readonly limit?: number
  /**
   * - `plain`, by default.
   * - `log`: it may hold positions in a log.
   * - `socket`: it may end before its channel.
   */
  readonly kind?: "plain" | "log" | "socket"
}

/** Bytes of output that may come at first. */
export const firstCredit = ({
  window = 256 * 1024,
  limit = Number.POSITIVE_INFINITY,
}: OutputOptions): number => Math.min(window, limit)

/** The output of a channel: what waits of it, and what may still come. */
export class ChannelOutput {
  readonly #kind: OutputOptions["kind"]
  readonly #backlog = new Backlog()
  readonly #firstCredit: number
  /** Bytes that may still come, that may be granted in all, and that were taken since. */
  #granted: number
  #grantable: number
  #taken = 0
  #isLeft = false
  #ended = false
  readonly #position = new Uint8Array(8)
  #positionBytes = 0

  constructor(options: OutputOptions) {
    this.#kind = options.kind
    this.#firstCredit = firstCredit(options)
    this.#granted = this.#firstCredit
    this.#grantable = (options.limit ?? Number.POSITIVE_INFINITY) - this.#firstCredit
  }

  get empty(): boolean {
    return this.#backlog.empty
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
    if (count < Math.min(this.#firstCredit / 4, this.#grantable)) return 0
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
    if (this.#kind !== "log") throw new ProtocolFault("a position where none can be")
    for (const byte of bytes) {
      this.#position[this.#positionBytes++] = byte
      if (this.#positionBytes < 8) continue
      this.#positionBytes = 0
      if (!this.#isLeft) this.#backlog.position(this.#position)
    }
  }
}
