import { OnToolProgress } from "@cordon/tools"
import { Clock, Effect, Latch, Option, Ref } from "effect"

/** Milliseconds between two notifications. */
const interval = 500
/** Milliseconds after which a silent call is reported as well, since clients give up a call that seems dead. */
const heartbeat = 5000

/**
 * Reports the progress of a call: its first message at once, then the latest one at most twice a second. If a call
 * says nothing, reports how long it has run.
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
      // This message was reported already, with the one before it.
      if (said === undefined && Option.isSome(woken)) return
      const seconds = Math.round(((yield* Clock.currentTimeMillis) - began) / 1000)
      // The protocol wants a number that grows. How much is left to do is not known.
      count += 1
      yield* tell(count, said ?? `Running for ${seconds} s`)
      yield* Effect.sleep(interval)
    })
    yield* Effect.forkScoped(Effect.forever(look))
    return yield* Effect.provideService(call, OnToolProgress, ({ message }) =>
      Effect.andThen(Ref.set(latest, message), news.open),
    )
  }).pipe(Effect.scoped)
