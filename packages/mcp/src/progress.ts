import { OnToolProgress } from "@cordon/tools"
import { Clock, Effect, Latch, Option, Ref } from "effect"

/** Milliseconds between two notifications. */
const interval = 500
/** Milliseconds after which a silent call is told of all the same: clients take silence for death. */
const heartbeat = 5000

/**
 * Tells how a call gets on: the first thing it says at once, then the latest at most twice a second,
 * and how long it has run where it says nothing.
 */
export const withProgress = <A, E, R>(
  call: Effect.Effect<A, E, R>,
  tell: (progress: number, message: string) => Effect.Effect<void>,
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const latest = yield* Ref.make<string | undefined>(undefined)
    const news = yield* Latch.make()
    const began = yield* Clock.currentTimeMillis
    let count = 0
    const look = Effect.gen(function* () {
      const woken = yield* Effect.timeoutOption(news.await, heartbeat)
      yield* news.close
      const said = yield* Ref.getAndSet(latest, undefined)
      // Told with what was said just before it.
      if (said === undefined && Option.isSome(woken)) return
      const seconds = Math.round(((yield* Clock.currentTimeMillis) - began) / 1000)
      // It must grow with each notification; how much there is to do is not known.
      count += 1
      yield* tell(count, said ?? `Running for ${seconds} s`)
      yield* Effect.sleep(interval)
    })
    yield* Effect.forkScoped(Effect.forever(look))
    return yield* Effect.provideService(call, OnToolProgress, ({ message }) =>
      Effect.andThen(Ref.set(latest, message), news.open),
    )
  }).pipe(Effect.scoped)
