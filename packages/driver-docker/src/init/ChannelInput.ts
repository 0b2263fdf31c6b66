import { giveBack } from "@cordon/core"
import { Effect } from "effect"
import * as frames from "./frames.ts"
import type { Outbox } from "./Outbox.ts"

const mostCredit = 2 ** 32
// Longer pieces are sent without a copy.
const short = 16 * 1024

/** The input of a channel: its credit, and the writers that wait for more credit. */
export class ChannelInput {
  readonly #channel: number
  readonly #outbox: Outbox
  /** Bytes that may be sent, bytes sent in total, and bytes that the init has confirmed as written. */
  #room = frames.earlyInput
  #sent = 0
  #gone = 0
  #isOpen = true
  readonly #waiting = new Set<() => void>()
  readonly #waits: () => () => void

  /**
   * @param waits is called when a writer waits for credit; the returned function is called when it
   * no longer does
   */
  constructor(channel: number, outbox: Outbox, waits: () => () => void) {
    this.#channel = channel
    this.#outbox = outbox
    this.#waits = waits
  }

  /**
   * Sends bytes as fast as credit arrives. Returns when all have been sent, or can't be sent any
   * more. The memory may be reused then; lent memory is given back.
   */
  write(bytes: Uint8Array): Effect.Effect<void> {
    const copies = bytes.length <= short
    let at = 0
    let isWritten = true
    let onWritten = () => {}
    const written = () => {
      isWritten = true
      giveBack(bytes)
      onWritten()
    }
    const step: Effect.Effect<void> = Effect.suspend(() => {
      while (at < bytes.length && this.#isOpen) {
        const size = Math.min(this.#room, frames.maxData, bytes.length - at)
        if (size === 0 || this.#outbox.full) {
          return Effect.andThen(
            this.#until((wake) => (this.#outbox.full ? this.#outbox.whenRoom(wake) : () => {})),
            step,
          )
        }
        const part = bytes.subarray(at, at + size)
        this.#room -= size
        this.#sent += size
        at += size
        if (copies) {
          this.#outbox.push(frames.data(this.#channel, part))
          continue
        }
        isWritten = at < bytes.length
        this.#outbox.push(frames.dataHeader(this.#channel, size))
        this.#outbox.push(part, isWritten ? undefined : written)
      }
      if (copies) giveBack(bytes)
      return isWritten || !this.#isOpen
        ? Effect.void
        : Effect.andThen(
            this.#until((wake) => {
              onWritten = wake
              return () => {}
            }),
            step,
          )
    })
    return step
  }

  /** Waits until the init has confirmed all input that was sent, or nothing can be sent any more. */
  get drained(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.#isOpen && this.#gone < this.#sent
        ? Effect.andThen(
            this.#until(() => () => {}),
            this.drained,
          )
        : Effect.void,
    )
  }

  /** Says that nothing more comes. */
  end(): void {
    if (!this.#isOpen) return
    this.#outbox.push(frames.end(this.#channel))
    this.close()
  }

  /** Sends nothing more. */
  close(): void {
    this.#isOpen = false
    this.#letWrite()
  }

  /** @param credit bytes in all */
  onOpened(credit: number): void {
    this.#room = Math.max(0, credit - this.#sent)
    this.#letWrite()
  }

  onCredit(count: number): void {
    this.#room = Math.min(this.#room + count, mostCredit)
    this.#gone += count
    this.#letWrite()
  }

  #letWrite(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  /** Waits for credit, for the end, or for the event of `listen`. */
  #until(listen: (wake: () => void) => () => void): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const stop = this.#waits()
      const forget = () => {
        this.#waiting.delete(wake)
        stopListening()
        stop()
      }
      const wake = () => {
        forget()
        resume(Effect.void)
      }
      this.#waiting.add(wake)
      const stopListening = listen(wake)
      return Effect.sync(forget)
    })
  }
}
