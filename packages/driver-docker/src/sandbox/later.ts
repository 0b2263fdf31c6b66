import { Duration, Effect, Scope } from "effect"

// More would strike at once.
const mostMillis = 2 ** 31 - 1

/**
 * Runs an effect some time from now, unless the scope closes before. Takes a timer and nothing else
 * for what hardly ever comes to it.
 */
export const later = Effect.fnUntraced(function* <R>(
  wait: Duration.Input,
  effect: Effect.Effect<unknown, never, R>,
) {
  const scope = yield* Effect.scope
  const millis = Duration.toMillis(wait)
  if (millis > mostMillis) return
  const run = Effect.runForkWith(yield* Effect.context<R>())
  const timer = setTimeout(() => run(Effect.forkIn(effect, scope)), millis).unref()
  yield* Scope.addFinalizer(
    scope,
    Effect.sync(() => clearTimeout(timer)),
  )
})
