import { giveBack } from "@cordon/core"
import { Effect } from "effect"
import * as frames from "./frames.ts"
import type { Outbox } from "./Outbox.ts"

const mostCredit = 2 ** 32

/** The input of a channel: what may be sent of it, and who waits until more may. */
export class ChannelInput {
  readonly #channel: number
  readonly #outbox: Outbox
  /** Bytes that may be sent, and that were sent in all. */
  #room = frames.earlyInput
  #sent = 0
  #isOpen = true
  readonly #waiting = new Set<() => void>()
  readonly #waits: () => () => void

  /** @param waits is told that somebody waits for credit; what it returns, that he no longer does */
  constructor(channel: number, outbox: Outbox, waits: () => () => void) {
    this.#channel = channel
    this.#outbox = outbox
    this.#waits = waits
  }

  /**
   * Sends bytes, as fast as credit comes; returns once all have been sent, or can't be any more. They
   * are copied, and given back to who lent them.
   */
  write(bytes: Uint8Array): Effect.Effect<void> {
    let at = 0
    const step: Effect.Effect<void> = Effect.suspend(() => {
      while (at < bytes.length && this.#isOpen) {
        const size = Math.min(this.#room, frames.maxData, bytes.length - at)
        if (size === 0 || this.#outbox.full) return Effect.andThen(this.#roomForMore, step)
        this.#outbox.push(frames.data(this.#channel, bytes.subarray(at, at + size)))
        this.#room -= size
        this.#sent += size
        at += size
      }
      giveBack(bytes)
      return Effect.void
    })
    return step
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
    this.#letWrite()
  }

  #letWrite(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  get #roomForMore(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const stop = this.#waits()
      let stopWaiting = () => {}
      const forget = () => {
        this.#waiting.delete(wake)
        stopWaiting()
        stop()
      }
      const wake = () => {
        forget()
        resume(Effect.void)
      }
      this.#waiting.add(wake)
      if (this.#outbox.full) stopWaiting = this.#outbox.whenRoom(wake)
      return Effect.sync(forget)
    })
  }
}
