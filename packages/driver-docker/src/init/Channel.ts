import { Deferred, Effect } from "effect"
import type { Piece } from "./Backlog.ts"
import { ChannelInput } from "./ChannelInput.ts"
import { ChannelOutput, type OutputOptions } from "./ChannelOutput.ts"
import { type ConnectionError, type Delivered, lossOf, ProtocolFault } from "./errors.ts"
import * as frames from "./frames.ts"
import type { Outbox } from "./Outbox.ts"
import type { Later } from "./timers.ts"

/** The limits of a call. */
export interface ChannelOptions extends OutputOptions {
  /** Milliseconds until the call is killed. Default: unlimited. */
  readonly timeout?: number | undefined
  /**
   * Milliseconds that the init may keep a reader or a writer waiting before the call is killed as
   * by a timeout. Default: unlimited.
   */
  readonly patience?: number
  /** Milliseconds that the call has to end after it was killed. Default: 2,000. */
  readonly grace?: number
  /**
   * Milliseconds that the call has to undo its work before it is killed, if its input ends early.
   * Default: it is killed at once.
   */
  readonly takesBack?: number
  /**
   * Whether the call counts as a use of the sandbox. Default: true. It must be false if code inside
   * the sandbox decides when the call begins.
   */
  readonly isUse?: boolean
}

// Milliseconds for which bulk output gathers before its consumer is woken.
const gathering = 2

/** How a call ended. */
export interface Final {
  /** Absent if the init did not report the end in time: processes of the call may still be running. */
  readonly ending: frames.Ending | undefined
  readonly timedOut: boolean
  /** Whether the request had reached the init, if the init did not report the end. */
  readonly delivered?: Delivered
}

/** A process runs, or an operation began. */
export interface Started {
  /** The process ID; 0 if there is no process. */
  readonly pid: number
  /** Whether it takes input. */
  readonly takesInput: boolean
}

/** The parts of a connection that a channel uses. */
export interface Link {
  readonly outbox: Outbox
  /** The number of pieces that the outbox has taken, including the request. */
  readonly sentBy: number
  readonly later: Later
  /** Gives the channel up. Its number must not be reused. */
  readonly abandon: (channel: Channel) => void
}

/** The next news of a channel: output, the end of its output (if that comes before its end), or its end. */
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

  /** Waits until the call runs, or has ended without running. */
  get started(): Effect.Effect<Started | Final, ConnectionError> {
    return Deferred.await(this.#started)
  }

  /** Waits for the end of the call. Output that is not consumed may delay it. */
  get ended(): Effect.Effect<Final, ConnectionError> {
    return Deferred.await(this.#ended)
  }

  /**
   * Waits for new output and returns it; after the end it always returns the end. Only one consumer
   * at a time. Consumed output is granted as new credit.
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
   * Sends input as fast as credit arrives. Returns when all has been sent, or can't be sent any
   * more. The bytes are copied, and lent memory is given back.
   */
  write(bytes: Uint8Array): Effect.Effect<void> {
    return this.#input.write(bytes)
  }

  /** Waits until the init has confirmed that it wrote all input. It does so for channels that follow a log. */
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

  /** Kills the call. If it does not end within the grace, it is given up as unanswered. */
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

  /** Kills the call if it is not over, and waits for its end, at most for the grace. */
  readonly leave: Effect.Effect<void> = Effect.suspend(() => {
    this.#output.leave()
    if (this.#final !== undefined) return Effect.void
    this.#giveUp()
    return Effect.ignore(this.ended)
  })

  // The connection calls the methods below.

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

  /** Wakes the consumer that waits for output. */
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

  /** Limits how long a reader or writer waits. The returned function ends the wait. */
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
    // An input that ends early tells the init to undo the operation.
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
