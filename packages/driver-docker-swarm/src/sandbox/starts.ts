import { Deferred, Effect, type Scope } from "effect"

/** Waits for containers of tasks to start, which their engine tells before the managers know. */
export const makeStarts = () => {
  const awaited = new Map<string, Deferred.Deferred<void>>()
  return {
    /** An engine's word that a container has started, with its labels. */
    started: (attempt: string | undefined) =>
      Effect.suspend(() => {
        const waiting = attempt === undefined ? undefined : awaited.get(attempt)
        return waiting === undefined ? Effect.void : Deferred.succeed(waiting, undefined)
      }),
    /** From now on: waits until the container of a creation has started. */
    watch: (attempt: string): Effect.Effect<Effect.Effect<void>, never, Scope.Scope> =>
      Effect.gen(function* () {
        const start = yield* Deferred.make<void>()
        awaited.set(attempt, start)
        yield* Effect.addFinalizer(() => Effect.sync(() => void awaited.delete(attempt)))
        return Deferred.await(start)
      }),
  }
}
export type Starts = ReturnType<typeof makeStarts>
