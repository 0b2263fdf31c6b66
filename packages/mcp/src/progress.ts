import { OnToolProgress } from "@cordon/tools"
import { Clock, Effect, Ref } from "effect"

/** Milliseconds between two looks at whether there is something to tell. */
const interval = 500
/** Milliseconds after which a silent call is told of all the same: clients take silence for death. */
const heartbeat = 5000

/**
 * Tells how a call gets on: the latest thing it said, at most twice a second, and how long it has run
 * where it says nothing.
 */
export const withProgress = <A, E, R>(
  call: Effect.Effect<A, E, R>,
  tell: (progress: number, message: string) => Effect.Effect<void>,
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const latest = yield* Ref.make<string | undefined>(undefined)
    const began = yield* Clock.currentTimeMillis
    let told = began
    let count = 0
    const look = Effect.gen(function* () {
      const said = yield* Ref.getAndSet(latest, undefined)
      const now = yield* Clock.currentTimeMillis
      if (said === undefined && now - told < heartbeat) return
      told = now
      // It must grow with each notification; how much there is to do is not known.
      count += 1
      yield* tell(count, said ?? `Running for ${Math.round((now - began) / 1000)} s`)
    })
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(interval), look)))
    return yield* Effect.provideService(call, OnToolProgress, ({ message }) =>
      Ref.set(latest, message),
    )
  }).pipe(Effect.scoped)
