import type { HostError, InvalidInput } from "@cordon/core"
import { Deferred, Effect, Fiber, Latch, type Scope } from "effect"
import { Channel, type ChannelOptions } from "./Channel.ts"
import { firstCredit } from "./ChannelOutput.ts"
import { type ConnectionError, InitLost, lossOf, ProtocolFault } from "./errors.ts"
import * as frames from "./frames.ts"
import { Outbox } from "./Outbox.ts"
import type { Request } from "./requests.ts"
import { type Later, makeLater, makeNow, type Now } from "./timers.ts"

/** The byte streams that a connection goes over; an `ExecConnection` of a raw stream is one. */
export interface InitStream {
  /**
   * Hands each piece to `take` as it comes, until `take` says that it wants no more. The memory of a
   * piece may be used again once `take` has returned.
   *
   * @returns what waits for the end of the stream
   */
  readonly receive: (take: (piece: Uint8Array) => boolean) => {
    readonly end: Effect.Effect<void, HostError>
  }
  /**
   * Returns once the memory of the pieces may be used again, and more should be written; has no effect
   * on a stream that is closed.
   */
  readonly write: (pieces: ReadonlyArray<Uint8Array>) => Effect.Effect<void>
  /** Closes it both ways. */
  readonly close: Effect.Effect<void>
}

const pingEvery = 5000
// Pings without any frame in return.
const mostSilence = 6
// Milliseconds without a frame after which a connection is proved before it is used: a ping and more.
const doubtfulAfter = 6000
// Milliseconds that its init has to answer then.
const provingTakes = 3000
// Channels that were told to end and did not say so.
const mostAbandoned = 1000
// Milliseconds that what was told to end has once the init has shown that it heard of it.
const lastGrace = 2000

/**
 * A connection to the init of a sandbox. What comes over it is not trusted: whatever breaks the
 * protocol drops the connection, and fails all calls that are under way with `InitLost`.
 */
export class InitConnection {
  readonly #stream: InitStream
  readonly #outbox: Outbox
  readonly #later: Later
  readonly #now: Now
  readonly #parser: frames.FrameParser
  readonly #channels = new Map<number, Channel>()
  /** Calls that were given up, each with the ping whose answer shows that the init was told. */
  readonly #abandoned = new Map<number, number>()
  readonly #free: Array<number> = []
  #highest = 0
  readonly #hello = Deferred.makeUnsafe<frames.Hello, ConnectionError>()
  readonly #lost = Deferred.makeUnsafe<ConnectionError>()
  readonly #unanswered = Latch.makeUnsafe(false)
  readonly #settled = Latch.makeUnsafe(true)
  #error: ConnectionError | undefined
  /** Those that have something for their consumer since the piece that is being read began. */
  readonly #touched = new Set<Channel>()
  #pings = 0
  #answered = 0
  #silence = 0
  #heardAt: number
  /** The proof that is under way, and its ping. */
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
    // Sent with the first call, which does not wait for the answer.
    this.#outbox.push(frames.hello(removalSeconds))
    this.#beat()
  }

  /**
   * Begins to speak over a stream. Nothing is waited for: calls can be made at once, and fail where
   * nobody answers. The scope's end closes the stream.
   *
   * @param removalSeconds how long the sandbox is to live without a connection; 0, the default,
   * leaves that as it is
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
      Effect.andThen(Effect.fail(new InitLost({ why: "ended", detail: "it was closed inside" }))),
      Effect.catch((error) => Effect.sync(() => connection.#lose(error))),
    )
    yield* Effect.forkScoped(reading)
    return connection
  })

  /** What the init says of itself, once it has. */
  get hello(): Effect.Effect<frames.Hello, ConnectionError> {
    return Deferred.await(this.#hello)
  }

  /** Waits until the connection is gone. @returns why */
  get lost(): Effect.Effect<ConnectionError> {
    return Deferred.await(this.#lost)
  }

  /** Whether calls can be made. */
  get isOpen(): boolean {
    return this.#error === undefined
  }

  /** Whether calls are under way that are a use of the sandbox. */
  get isBusy(): boolean {
    for (const { isUse } of this.#channels.values()) if (isUse) return true
    return false
  }

  /** Has its silence count as nothing: its sandbox is paused. */
  freeze(): void {
    this.#isFrozen = true
  }

  /** Its silence counts again. */
  thaw(): void {
    this.#isFrozen = false
    this.#silence = 0
  }

  /**
   * Whether it has been silent for so long that it may be cut without anybody having been told: by a
   * middlebox that forgot it, a network that is gone, an engine that hangs or a machine that slept.
   */
  get isDoubtful(): boolean {
    if (this.#isFrozen) return false
    // Timers do not tell of sleep, nor does a clock that was set back tell of silence.
    return this.#silence > 1 || this.#now() - this.#heardAt >= doubtfulAfter
  }

  /** Has the init answer a ping. @returns whether it did within three seconds */
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
   * Waits until a call that was given up has not ended although the init was told to end it: it answered
   * what was sent after that, two seconds ago. One of which nothing comes at all may not have been told.
   */
  get unanswered(): Effect.Effect<void> {
    return this.#unanswered.await
  }

  /** Waits until all calls that were given up have ended after all. */
  get settled(): Effect.Effect<void> {
    return this.#settled.await
  }

  /** Whether all calls that were given up have ended after all. */
  get isSettled(): boolean {
    return this.#abandoned.size === 0
  }

  /**
   * Opens a channel. The scope's end kills what is not over, and waits for that no longer than the
   * channel's grace.
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
      this.#lose(new InitLost({ why: "fault", detail: `it sent ${cause.message}` }))
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
      throw new ProtocolFault("an answer to no ping")
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

  /** The channel of a frame; none where it was given up, and its frames are late. */
  #of(number: number): Channel | undefined {
    if (!Deferred.isDoneUnsafe(this.#hello)) throw new ProtocolFault("no greeting")
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
    this.#lose(new InitLost({ why: "silent", detail: "it ends no call that it is told to end" }))
  }

  #beat(): void {
    this.#cancelPing = this.#later(pingEvery, () => {
      if (!this.#isFrozen) this.#silence++
      if (this.#silence > mostSilence) {
        const detail = `nothing came over it for ${(pingEvery * mostSilence) / 1000} s`
        this.#lose(new InitLost({ why: "silent", detail }))
        return
      }
      // Pings that are not read must not pile up.
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
