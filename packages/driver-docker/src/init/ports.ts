import { type InvalidInput, PortUnavailable, PortUnreachable } from "@cordon/core"
import { type Array as Arr, Cause, Effect, type Pull, type Scope, Stream } from "effect"
import type { Channel, Final } from "./Channel.ts"
import { reasonOf } from "./errno.ts"
import type { ConnectionError } from "./errors.ts"
import type { InitConnection } from "./InitConnection.ts"
import { acceptRequest, dialRequest, listenRequest } from "./requests.ts"

/** The errors of a connection to a port of a sandbox. */
export type DialError = ConnectionError | InvalidInput | PortUnreachable

/** The errors of listening on a port of a sandbox. */
export type ListenError = ConnectionError | InvalidInput | PortUnavailable

/** A connection to a program in a sandbox, begun by either side. */
export interface Dialled {
  /** The data from the program, until the program sends no more; for one consumer. */
  readonly output: Stream.Stream<Uint8Array, DialError>
  /** Sends data as fast as the other side accepts it. No effect after the connection is closed. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
  /** Ends the sending side. The output continues. */
  readonly end: Effect.Effect<void>
  /** Waits until both sides have ended and all data was received, or until the connection broke. */
  readonly closed: Effect.Effect<void>
}

const unreachable = (port: number, { ending, timedOut }: Final) =>
  new PortUnreachable({
    port,
    reason: ending === undefined || timedOut ? "nothing answered in time" : reasonOf(ending.value),
  })

type Output = Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, DialError>

const outputOf = (port: number, channel: Channel): Output => {
  const pull: Output = Effect.suspend(() =>
    Effect.flatMap(channel.next, (next): Output => {
      if (next === "output ended") return Cause.done()
      if ("timedOut" in next) {
        return next.ending?.how === "exited" ? Cause.done() : Effect.fail(unreachable(port, next))
      }
      const [first, ...others] = next.map(({ bytes }) => bytes)
      return first === undefined ? pull : Effect.succeed([first, ...others])
    }),
  )
  return pull
}

const dialledOf = (port: number, channel: Channel): Dialled => ({
  output: Stream.fromPull(Effect.succeed(outputOf(port, channel))),
  write: (bytes) => channel.write(bytes),
  end: Effect.sync(() => channel.end()),
  closed: Effect.ignore(channel.ended),
})

/**
 * Connects to a port of a sandbox, at `127.0.0.1`, or at `::1` if nothing listens there. The end of
 * the scope closes the connection.
 *
 * @param patience milliseconds that connecting may take. Default: 10,000
 */
export const dial = Effect.fnUntraced(function* (
  connection: InitConnection,
  port: number,
  patience: number = 10_000,
): Effect.fn.Return<Dialled, DialError, Scope.Scope> {
  const channel = yield* connection.open(dialRequest(port), { kind: "socket" })
  const started = yield* channel.started.pipe(
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail(new PortUnreachable({ port, reason: "nothing answered in time" })),
    }),
  )
  if (!("pid" in started)) return yield* unreachable(port, started)
  return dialledOf(port, channel)
})

/**
 * Listens on a port of the sandbox's `127.0.0.1` until the scope ends.
 *
 * @returns an effect that waits for the next connection, which lives as long as its scope. Any
 * number of callers may wait at once
 */
export const listen = Effect.fnUntraced(function* (
  connection: InitConnection,
  port: number,
): Effect.fn.Return<Effect.Effect<Dialled, DialError, Scope.Scope>, ListenError, Scope.Scope> {
  const listener = yield* connection.open(listenRequest(port), { isUse: false })
  const listening = yield* listener.started
  if (!("pid" in listening)) {
    const { ending } = listening
    const reason =
      ending === undefined ? "the sandbox did not answer in time" : reasonOf(ending.value)
    return yield* new PortUnavailable({ port, reason })
  }
  return Effect.gen(function* () {
    const channel = yield* connection.open(acceptRequest(listener.number), {
      kind: "socket",
      isUse: false,
    })
    const started = yield* channel.started
    if (!("pid" in started)) return yield* unreachable(port, started)
    return dialledOf(port, channel)
  })
})
