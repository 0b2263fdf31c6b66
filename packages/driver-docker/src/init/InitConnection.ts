import type { HostError, InvalidInput } from "@cordon/core"
import { Deferred, Effect, Fiber, Latch, type Scope } from "effect"
import { Channel, type ChannelOptions } from "./Channel.ts"
import { firstCredit } from "./ChannelOutput.ts"
import { type ConnectionError, InitLost, lossOf, ProtocolFault } from "./errors.ts"
import * as frames from "./frames.ts"
import { Outbox } from "./Outbox.ts"
import type { Request } from "./requests.ts"
import { type Later, makeLater, makeNow, type Now } from "./timers.ts"

/** The byte streams of a connection. An `ExecConnection` of a raw stream is one. */
export interface InitStream {
  /**
   * Passes each piece to `take` as it arrives, until `take` returns that it wants no more. A piece
   * is valid only until `take` returns.
   *
   * @returns an effect that waits for the end of the stream
   */
  readonly receive: (take: (piece: Uint8Array) => boolean) => {
    readonly end: Effect.Effect<void, HostError>
  }
  /**
   * Returns when the memory of the pieces may be reused and more may be written. Has no effect on a
   * closed stream.
   */
  readonly write: (pieces: ReadonlyArray<Uint8Array>) => Effect.Effect<void>
  /** Closes both directions. */
  readonly close: Effect.Effect<void>
}

const pingEvery = 5000
// The most pings in a row without any frame in return.
const mostSilence = 6
// Milliseconds without a frame after which a connection is checked before use: more than the
// interval of pings.
const doubtfulAfter = 6000
// Milliseconds that the init has to answer this check.
const provingTakes = 3000
// The most channels that were told to end and have not confirmed it.
const mostAbandoned = 1000
// Milliseconds that a killed call has to end after the init has confirmed that it received the
// order.
const lastGrace = 2000

/** A piece that is a line of text, such as an engine's refusal in place of the init's output. */
const quoted = (piece: Uint8Array): string | undefined => {
  const text = new TextDecoder().decode(piece.subarray(0, 500)).trim()
  return /^[ -~]+$/.test(text) ? JSON.stringify(text) : undefined
}

/**
 * A connection to the init of a sandbox. Its input is not trusted: a breach of the protocol drops
 * the connection, and fails all calls in progress with `InitLost`.
 */
export class InitConnection {
  readonly #stream: InitStream
  readonly #outbox: Outbox
  readonly #later: Later
  readonly #now: Now
  readonly #parser: frames.FrameParser
  readonly #channels = new Map<number, Channel>()
  /**
   * Calls that were given up, each with the ping whose answer proves that the init received the
   * order to end it.
   */
  readonly #abandoned = new Map<number, number>()
  readonly #free: Array<number> = []
  #highest = 0
  readonly #hello = Deferred.makeUnsafe<frames.Hello, ConnectionError>()
  readonly #lost = Deferred.makeUnsafe<ConnectionError>()
  readonly #unanswered = Latch.makeUnsafe(false)
  readonly #settled = Latch.makeUnsafe(true)
  #error: ConnectionError | undefined
  /** Channels that got something for their consumer from the piece that is being read. */
  readonly #touched = new Set<Channel>()
  #pings = 0
  #answered = 0
  #silence = 0
  #heardAt: number
  /** The check in progress, and its ping. */
  #proof: { readonly ping: number; readonly isHeard: Deferred.Deferred<boolean> } | undefined
  #isFrozen = false
  #cancelPing = () => {}
  #closing: Fiber.Fiber<void> = Effect.runFork(Effect.void)

  private constructor(stream: InitStream, later: Later, now: Now, removalSeconds: number) {
    this.#stream = stream
    this.#later = later
    this.#now = now
    this.#heardAt = now()
    this.#outbox = new Outbox(stream.write)
    this.#parser = new frames.FrameParser({
      hello: (hello) => this.#onHello(hello),
      pong: (count) => this.#onPong(count),
      opened: (number, pid, credit) => this.#of(number)?.onOpened(pid, credit),
      data: (number, stream, bytes) => this.#touch(number)?.onData(stream, bytes),
      end: (number) => this.#touch(number)?.onEnd(),
      credit: (number, count) => this.#of(number)?.onCredit(count),
      closed: (number, ending) => this.#onClosed(number, ending),
    })
    // The hello goes out with the first call, which does not wait for the answer.
    this.#outbox.push(frames.hello(removalSeconds))
    this.#beat()
  }

  /**
   * Starts a connection over a stream, without waiting: calls can be made at once, and fail if
   * nobody answers. The end of the scope closes the stream.
   *
   * @param removalSeconds how long the sandbox lives without a connection. 0, the default, leaves
   * the current value
   */
  static readonly make = Effect.fnUntraced(function* (
    stream: InitStream,
    removalSeconds: number = 0,
  ): Effect.fn.Return<InitConnection, never, Scope.Scope> {
    const connection = new InitConnection(stream, yield* makeLater, yield* makeNow, removalSeconds)
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        connection.#lose(new InitLost({ why: "closed", detail: "this program closed it" }))
        return Fiber.await(connection.#closing)
      }),
    )
    const { end } = stream.receive((piece) => connection.#receive(piece))
    const reading = end.pipe(
      Effect.andThen(Effect.fail(new InitLost({ why: "ended", detail: "the sandbox closed it" }))),
      Effect.catch((error) => Effect.sync(() => connection.#lose(error))),
    )
    yield* Effect.forkScoped(reading)
    return connection
  })

  /** Waits for the init's hello, which describes the init. */
  get hello(): Effect.Effect<frames.Hello, ConnectionError> {
    return Deferred.await(this.#hello)
  }

  /** Waits until the connection is lost. @returns the reason */
  get lost(): Effect.Effect<ConnectionError> {
    return Deferred.await(this.#lost)
  }

  /** Whether calls can be made. */
  get isOpen(): boolean {
    return this.#error === undefined
  }

  /** Whether any call in progress counts as a use of the sandbox. */
  get isBusy(): boolean {
    for (const { isUse } of this.#channels.values()) if (isUse) return true
    return false
  }

  /** Ignores silence from now on, because the sandbox is paused. */
  freeze(): void {
    this.#isFrozen = true
  }

  /** Counts silence again. */
  thaw(): void {
    this.#isFrozen = false
    this.#silence = 0
  }

  /**
   * Whether the connection has been silent for so long that it may be cut without notice: by a
   * middlebox that dropped it, a lost network, a hanging engine or a machine that slept.
   */
  get isDoubtful(): boolean {
    if (this.#isFrozen) return false
    // Both are checked: timers miss the time of a sleep, and a clock that was set back misses
    // silence.
    return this.#silence > 1 || this.#now() - this.#heardAt >= doubtfulAfter
  }

  /** Pings the init. @returns whether it answered within three seconds */
  get proved(): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      if (this.#error !== undefined) return Effect.succeed(false)
      if (this.#proof === undefined) {
        this.#proof = { ping: ++this.#pings, isHeard: Deferred.makeUnsafe() }
        this.#outbox.push(frames.ping(this.#pings))
      }
      return Deferred.await(this.#proof.isHeard).pipe(
        Effect.timeoutOrElse({ duration: provingTakes, orElse: () => Effect.succeed(false) }),
      )
    })
  }

  #prove(isHeard: boolean): void {
    const proof = this.#proof
    this.#proof = undefined
    if (proof !== undefined) Deferred.doneUnsafe(proof.isHeard, Effect.succeed(isHeard))
  }

  /**
   * Waits until some call that was given up still runs although the init knows that it must end:
   * the init answered a later ping two seconds ago. Without such an answer the init may not have
   * received the order.
   */
  get unanswered(): Effect.Effect<void> {
    return this.#unanswered.await
  }

  /** Waits until all calls that were given up have ended. */
  get settled(): Effect.Effect<void> {
    return this.#settled.await
  }

  /** Whether all calls that were given up have ended. */
  get isSettled(): boolean {
    return this.#abandoned.size === 0
  }

  /**
   * Opens a channel. The end of the scope kills the call if it is not over, and waits for its end
   * at most for the channel's grace.
   */
  open(
    request: Request,
    options: ChannelOptions = {},
  ): Effect.Effect<Channel, ConnectionError | InvalidInput, Scope.Scope> {
    return Effect.flatMap(request(firstCredit(options)), (payload) =>
      Effect.acquireRelease(
        Effect.suspend(() =>
          this.#error === undefined
            ? Effect.succeed(this.#open(payload, options))
            : Effect.fail(lossOf(this.#error, "never")),
        ),
        (channel) => channel.leave,
      ),
    )
  }

  #open(payload: Uint8Array, options: ChannelOptions): Channel {
    const number = this.#free.pop() ?? ++this.#highest
    const link = {
      outbox: this.#outbox,
      sentBy: this.#outbox.pushed + 1,
      later: this.#later,
      abandon: () => this.#abandon(number),
    }
    const channel = new Channel(number, link, options)
    this.#channels.set(number, channel)
    this.#outbox.push(frames.open(number, payload))
    return channel
  }

  #receive(piece: Uint8Array): boolean {
    if (this.#error !== undefined) return false
    this.#silence = 0
    this.#heardAt = this.#now()
    try {
      this.#parser.push(piece)
    } catch (cause) {
      if (!(cause instanceof ProtocolFault)) throw cause
      const isGreeted = Deferred.isDoneUnsafe(this.#hello)
      const said = (isGreeted ? undefined : quoted(piece)) ?? cause.message
      this.#lose(new InitLost({ why: "fault", detail: `it sent ${said}` }))
    }
    for (const channel of this.#touched) channel.flush()
    this.#touched.clear()
    return this.#error === undefined
  }

  #onHello(hello: frames.Hello): void {
    if (Deferred.isDoneUnsafe(this.#hello)) throw new ProtocolFault("a second greeting")
    if (hello.version !== frames.version) {
      const detail = `it speaks version ${hello.version} of the protocol, this program ${frames.version}`
      this.#lose(new InitLost({ why: "version", detail }))
      return
    }
    Deferred.doneUnsafe(this.#hello, Effect.succeed(hello))
  }

  #onPong(count: number): void {
    if (count !== this.#answered + 1 || count > this.#pings) {
      throw new ProtocolFault("an answer to a ping that was not sent")
    }
    this.#answered = count
    if (count === this.#proof?.ping) this.#prove(true)
    for (const [number, ping] of this.#abandoned) {
      if (ping !== count) continue
      this.#later(lastGrace, () => {
        if (this.#abandoned.has(number)) this.#unanswered.openUnsafe()
      })
    }
  }

  /** The channel of a frame; none for a late frame of a channel that was given up. */
  #of(number: number): Channel | undefined {
    if (!Deferred.isDoneUnsafe(this.#hello))
      throw new ProtocolFault("another frame before its greeting")
    const channel = this.#channels.get(number)
    if (channel === undefined && !this.#abandoned.has(number)) {
      throw new ProtocolFault(`a frame for channel ${number}, which is not open`)
    }
    return channel
  }

  #touch(number: number): Channel | undefined {
    const channel = this.#of(number)
    if (channel !== undefined) this.#touched.add(channel)
    return channel
  }

  #onClosed(number: number, ending: frames.Ending): void {
    const channel = this.#of(number)
    if (channel === undefined) {
      this.#abandoned.delete(number)
      if (!this.isSettled) return
      this.#unanswered.closeUnsafe()
      this.#settled.openUnsafe()
      return
    }
    this.#channels.delete(number)
    this.#free.push(number)
    channel.onClosed(ending)
  }

  #abandon(number: number): void {
    this.#channels.delete(number)
    this.#abandoned.set(number, ++this.#pings)
    this.#outbox.push(frames.ping(this.#pings))
    this.#settled.closeUnsafe()
    if (this.#abandoned.size <= mostAbandoned) return
    this.#lose(new InitLost({ why: "silent", detail: "it does not end calls when told to" }))
  }

  #beat(): void {
    this.#cancelPing = this.#later(pingEvery, () => {
      if (!this.#isFrozen) this.#silence++
      if (this.#silence > mostSilence) {
        const detail = `nothing came over it for ${(pingEvery * mostSilence) / 1000} s`
        this.#lose(new InitLost({ why: "silent", detail }))
        return
      }
      // Unread pings must not pile up.
      if (this.#outbox.empty) this.#outbox.push(frames.ping(++this.#pings))
      this.#beat()
    })
  }

  #lose(error: ConnectionError): void {
    if (this.#error !== undefined) return
    this.#error = error
    this.#cancelPing()
    this.#prove(false)
    const channels = [...this.#channels.values()]
    this.#channels.clear()
    for (const channel of channels) channel.onLost(error)
    this.#outbox.drop()
    this.#closing = Effect.runFork(this.#stream.close)
    Deferred.doneUnsafe(this.#hello, Effect.fail(error))
    Deferred.doneUnsafe(this.#lost, Effect.succeed(error))
  }
}
