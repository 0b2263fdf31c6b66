import { Deferred, Effect, type Scope, Stream } from "effect"
import type { PortConnection } from "../../values/PortConnection.ts"

/** Runs an effect as a use of a sandbox. */
type Use<U> = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | U, R>

/**
 * A connection that is a use of its sandbox until the scope ends, also while what came last is still to be read. Where the
 * use fails, because the lease was taken, the output fails with it.
 */
export const heldConnection = Effect.fnUntraced(function* <E, U>(
  use: Use<U>,
  open: Effect.Effect<PortConnection<E>, E, Scope.Scope>,
): Effect.fn.Return<PortConnection<E | U>, E | U, Scope.Scope> {
  const opened = yield* Deferred.make<PortConnection<E>, E | U>()
  const lost = yield* Deferred.make<never, E | U>()
  const held = Effect.scoped(
    Effect.flatMap(open, (connection) =>
      Effect.andThen(Deferred.succeed(opened, connection), Effect.never),
    ),
  )
  yield* Effect.forkScoped(
    use(held).pipe(
      Effect.catchCause((cause) =>
        Effect.andThen(Deferred.failCause(opened, cause), Deferred.failCause(lost, cause)),
      ),
    ),
  )
  const connection = yield* Deferred.await(opened)
  return {
    ...connection,
    output: Stream.interruptWhen(connection.output, Deferred.await(lost)),
  }
})
