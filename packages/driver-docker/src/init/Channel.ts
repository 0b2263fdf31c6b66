import { Deferred, Effect } from "effect"
import type { Piece } from "./Backlog.ts"
import { ChannelInput } from "./ChannelInput.ts"
import { ChannelOutput, type OutputOptions } from "./ChannelOutput.ts"
import { type ConnectionError, type Delivered, lossOf, ProtocolFault } from "./errors.ts"
import * as frames from "./frames.ts"
import type { Outbox } from "./Outbox.ts"
import type { Later } from "./timers.ts"

/** How a call is held to what it may take. */
export interface ChannelOptions extends OutputOptions {
  /** Milliseconds until it is killed; unlimited by default. */
  readonly timeout?: number | undefined
  /**
   * Milliseconds that the init may keep a reader or a writer waiting before it is killed as by a
   * timeout; unlimited by default.
   */
  readonly patience?: number
  /** Milliseconds that it has to end once it was killed: 2,000 by default. */
  readonly grace?: number
  /**
   * Milliseconds that it has to take back what it began before it is killed, once its input has ended
   * before its time: it is killed at once by default.
   */
  readonly takesBack?: number
  /** Whether it is a use of the sandbox, as it is by default; not where code inside decides when it begins. */
  readonly isUse?: boolean
}

// Milliseconds in which output in bulk gathers before its consumer is woken for it.
const gathering = 2

/** How a call ended. */
export interface Final {
  /** Absent where the init did not say in time: what was started may still be running. */
  readonly ending: frames.Ending | undefined
  readonly timedOut: boolean
  /** Whether the request had reached the init, where that did not say how the call ended. */
  readonly delivered?: Delivered
}

/** It runs, or an operation began. */
export interface Started {
  /** 0 where it has no process. */
  readonly pid: number
  /** Whether it takes input. */
  readonly takesInput: boolean
}

/** What a channel needs of its connection. */
export interface Link {
  readonly outbox: Outbox
  /** How many pieces the outbox has taken once it has the request. */
  readonly sentBy: number
  readonly later: Later
  /** The channel's number is not to be used again. */
  readonly abandon: (channel: Channel) => void
}

/** What has come of a channel: output, the end of its output where that comes first, or its end. */
export type Next = ReadonlyArray<Piece> | "output ended" | Final

/** One call over a connection: its output, its input, and how it ended. */
export class Channel {
  readonly number: number
  readonly #link: Link
  readonly #options: ChannelOptions
  readonly #input: ChannelInput
  readonly #output: ChannelOutput
  readonly #started = Deferred.makeUnsafe<Started | Final, ConnectionError>()
  readonly #ended = Deferred.makeUnsafe<Final, ConnectionError>()
  #final: Effect.Effect<Final, ConnectionError> | undefined
  #isOpened = false
  #isKilled = false
  #timedOut = false
  #wakeReader: (() => void) | undefined
  #cancelWake: (() => void) | undefined
  readonly #cancels: Array<() => void> = []

  constructor(number: number, link: Link, options: ChannelOptions) {
    this.number = number
    this.#link = link
    this.#options = options
    this.#input = new ChannelInput(number, link.outbox, () => this.#waits())
    this.#output = new ChannelOutput(options)
    if (options.timeout !== undefined) this.#after(options.timeout, this.#strike)
  }

  /** Whether it is a use of the sandbox. */
  get isUse(): boolean {
    return this.#options.isUse ?? true
  }

  /** Whether its request has reached the init. */
  get delivered(): Delivered {
    if (this.#isOpened) return "yes"
    return this.#link.outbox.handed < this.#link.sentBy ? "never" : "perhaps"
  }

  /** Waits until it runs, or has ended without. */
  get started(): Effect.Effect<Started | Final, ConnectionError> {
    return Deferred.await(this.#started)
  }

  /** Waits for its end; output that nobody takes may delay it. */
  get ended(): Effect.Effect<Final, ConnectionError> {
    return Deferred.await(this.#ended)
  }

  /**
   * What has come since the last time, once there is something; then, again and again, its end. One
   * consumer at a time. What it takes is granted anew.
   */
  readonly next: Effect.Effect<Next, ConnectionError> = Effect.suspend(
    () =>
      this.#take() ??
      Effect.callback((resume) => {
        const stop = this.#waits()
        this.#wakeReader = () => {
          const taken = this.#take()
          if (taken === undefined) return
          this.#wakeReader = undefined
          stop()
          resume(taken)
        }
        return Effect.sync(() => {
          this.#wakeReader = undefined
          stop()
        })
      }),
  )

  /**
   * Sends input, as fast as credit comes; returns once all has been sent, or can't be any more. The
   * bytes are copied, and given back to who lent them.
   */
  write(bytes: Uint8Array): Effect.Effect<void> {
    return this.#input.write(bytes)
  }

  /** Waits until the init has told that all input has gone that was sent: it tells so of a log's channel. */
  get drained(): Effect.Effect<void> {
    return this.#input.drained
  }

  /** Ends the input. */
  end(): void {
    this.#input.end()
  }

  /** Sends a signal to the process group of its main process. */
  signal(number: number): void {
    if (this.#final === undefined) this.#link.outbox.push(frames.signal(this.number, number))
  }

  /** Sets the size of its terminal. */
  resize(rows: number, columns: number): void {
    if (this.#final === undefined) this.#link.outbox.push(frames.resize(this.number, rows, columns))
  }

  /** Has it end; it is given up as unanswered where it has not within the grace. */
  kill(): void {
    if (this.#isKilled || this.#final !== undefined) return
    this.#isKilled = true
    this.#input.close()
    this.#link.outbox.push(frames.kill(this.number))
    this.#after(this.#options.grace ?? 2000, () => {
      this.#link.abandon(this)
      const { delivered } = this
      this.#finish(Effect.succeed({ ending: undefined, timedOut: this.#timedOut, delivered }))
    })
  }

  /** Ends what is not over, and waits for its end or the grace. */
  readonly leave: Effect.Effect<void> = Effect.suspend(() => {
    this.#output.leave()
    if (this.#final !== undefined) return Effect.void
    this.#giveUp()
    return Effect.ignore(this.ended)
  })

  // What follows is the connection's to call.

  onOpened(pid: number, credit: number): void {
    if (this.#isOpened) throw new ProtocolFault("a channel opened twice")
    this.#isOpened = true
    this.#input.onOpened(credit)
    Deferred.doneUnsafe(this.#started, Effect.succeed({ pid, takesInput: credit > 0 }))
  }

  onCredit(count: number): void {
    this.#input.onCredit(count)
  }

  onData(stream: number, bytes: Uint8Array): void {
    this.#output.onData(stream, bytes)
  }

  onEnd(): void {
    this.#output.onEnd()
  }

  onClosed(ending: frames.Ending): void {
    this.#finish(Effect.succeed({ ending, timedOut: this.#timedOut }))
  }

  onLost(error: ConnectionError): void {
    this.#finish(Effect.fail(lossOf(error, this.delivered)))
  }

  /** Tells who waits for output of what has come. */
  flush(): void {
    if (this.#wakeReader === undefined) return
    if (this.#final !== undefined || !this.#output.meagre) {
      this.#wakeReader()
      return
    }
    this.#cancelWake ??= this.#link.later(gathering, () => {
      this.#cancelWake = undefined
      this.#wakeReader?.()
    })
  }

  #take(): Effect.Effect<Next, ConnectionError> | undefined {
    if (this.#output.empty) {
      return this.#final ?? (this.#output.ended ? Effect.succeed("output ended") : undefined)
    }
    const pieces = this.#output.take()
    if (this.#final === undefined && !this.#isKilled) {
      const count = this.#output.grant()
      if (count > 0) this.#link.outbox.push(frames.credit(this.number, count))
    }
    return Effect.succeed(pieces)
  }

  /** Limits how long somebody waits; what it returns says that he no longer does. */
  #waits(): () => void {
    const { patience } = this.#options
    return patience === undefined ? () => {} : this.#link.later(patience, this.#strike)
  }

  readonly #strike = (): void => {
    this.#timedOut = true
    this.#giveUp()
  }

  #giveUp(): void {
    const { takesBack } = this.#options
    if (takesBack === undefined) {
      this.kill()
      return
    }
    // An input that ends before its time says that nothing is to come of it.
    this.#input.end()
    this.#after(takesBack, () => this.kill())
  }

  #after(millis: number, run: () => void): void {
    this.#cancels.push(this.#link.later(millis, run))
  }

  #finish(final: Effect.Effect<Final, ConnectionError>): void {
    if (this.#final !== undefined) return
    this.#final = final
    for (const cancel of this.#cancels) cancel()
    this.#cancelWake?.()
    this.#input.close()
    Deferred.doneUnsafe(this.#started, final)
    Deferred.doneUnsafe(this.#ended, final)
    this.flush()
  }
}
