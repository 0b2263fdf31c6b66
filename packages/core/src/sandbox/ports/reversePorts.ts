import { connect, type Socket } from "node:net"
import { Effect, Exit, FiberSet, Schedule, Scope, Semaphore } from "effect"
import type { DialError } from "../../driver/ports.ts"
import type { ExecError, LeaseError } from "../../errors.ts"
import type { SandboxDriver } from "../../SandboxDriver.ts"
import type { PortConnection } from "../../values/PortConnection.ts"
import type { SandboxId } from "../../values/SandboxId.ts"
import { relay } from "./relay.ts"

/** Where connections of programs inside lead to. */
export interface ReverseOptions {
  /** The port there. */
  readonly localPort: number
  /** A name or an address that this machine reaches: `127.0.0.1` by default. */
  readonly host?: string | undefined
}

type Driver = Pick<SandboxDriver["Service"], "listen">
type Accept = Effect.Success<ReturnType<Driver["listen"]>>

// Connections at the same time: a sandbox has channels for some hundreds, and commands need theirs.
const most = 64
// Those that are waited for at once; the kernel keeps more until one of these is free again.
const waiting = 8
// Milliseconds for a connection to the program that is led to.
const connecting = 10_000

// A sandbox that is stopped, or an engine that is away, is looked for again.
const lookAgain = Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("10 seconds")])

/** Hands each connection to a handler until listening fails. */
const serve = Effect.fnUntraced(function* (
  accept: Accept,
  handle: (connection: PortConnection<DialError>) => Effect.Effect<void>,
) {
  const slots = yield* Semaphore.make(most)
  const handlers = yield* FiberSet.make()
  const one = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      yield* restore(slots.take(1))
      const scope = yield* Scope.make()
      const end = (exit: Exit.Exit<unknown, unknown>) =>
        Effect.andThen(Scope.close(scope, exit), slots.release(1))
      const connection = yield* restore(Scope.provide(accept, scope)).pipe(
        Effect.onError((cause) => end(Exit.failCause(cause))),
      )
      yield* FiberSet.run(handlers, Effect.onExit(restore(handle(connection)), end))
    }),
  )
  yield* Effect.all(
    Array.from({ length: waiting }, () => Effect.forever(one)),
    { concurrency: "unbounded", discard: true },
  )
}, Effect.scoped)

/**
 * Listens on a port of a sandbox for as long as the scope lives, also once the sandbox was stopped and started, or its
 * engine was away; a failure of the first attempt is the caller's. What connects is no use of the sandbox.
 *
 * @param handle gets each connection, which is closed when it returns
 * @param again done each time that the port is listened on again
 */
export const listenIn = Effect.fnUntraced(function* (
  driver: Driver,
  id: SandboxId,
  port: number,
  handle: (connection: PortConnection<DialError>) => Effect.Effect<void>,
  again: Effect.Effect<void, ExecError | LeaseError> = Effect.void,
) {
  const scope = yield* Scope.make()
  const accept = yield* Scope.provide(driver.listen(id, port), scope).pipe(
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
  )
  const first = Effect.onExit(serve(accept, handle), (exit) => Scope.close(scope, exit))
  const anew = Effect.scoped(
    Effect.flatMap(driver.listen(id, port), (next) => Effect.andThen(again, serve(next, handle))),
  )
  const rest = Effect.retry(anew, {
    schedule: lookAgain,
    while: ({ _tag }) => _tag !== "SandboxNotFound",
  })
  yield* Effect.forkScoped(
    first.pipe(
      Effect.catch((error) =>
        Effect.andThen(
          Effect.logDebug("A port of a sandbox is to be listened on anew", {
            port,
            error: error.message,
          }),
          rest,
        ),
      ),
      Effect.ignore,
    ),
  )
})

/** Connects to a program that this machine reaches. */
const reach = ({ host = "127.0.0.1", localPort }: ReverseOptions) =>
  Effect.acquireRelease(
    Effect.callback<Socket, Error>((resume) => {
      const socket = connect({ host, port: localPort, allowHalfOpen: true, noDelay: true })
      socket.once("error", (error) => resume(Effect.fail(error)))
      socket.once("connect", () => {
        socket.on("error", () => socket.destroy())
        resume(Effect.succeed(socket))
      })
      return Effect.sync(() => socket.destroy())
    }).pipe(
      Effect.timeoutOrElse({
        duration: connecting,
        orElse: () => Effect.fail(new Error("it did not answer in time")),
      }),
    ),
    (socket) => Effect.sync(() => socket.destroy()),
    { interruptible: true },
  )

/** Leads a connection to a program that this machine reaches. */
export const leadTo =
  (options: ReverseOptions) =>
  (connection: PortConnection<DialError>): Effect.Effect<void> =>
    Effect.flatMap(reach(options), (socket) => relay(socket, Effect.succeed(connection))).pipe(
      Effect.scoped,
      Effect.catch((error) =>
        Effect.logDebug("A connection from a sandbox broke", { error: error.message }),
      ),
    )
