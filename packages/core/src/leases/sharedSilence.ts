import { Effect } from "effect"
import type { makeKeyedLock } from "../concurrency/KeyedLock.ts"
import { EngineUnreachable } from "../errors.ts"

export type SharedSilence<Key> = (
  key: Key,
) => <A, E, R>(turn: Effect.Effect<A, E, R>) => Effect.Effect<A, E | EngineUnreachable, R>

/**
 * Takes turns by key. When a turn finds that its engine does not answer, the turns that waited for it fail
 * with the same error: one after the other they would each wait for the same silence.
 */
export const makeSharedSilence = <Key>(
  exclusively: ReturnType<typeof makeKeyedLock<Key>>,
): SharedSilence<Key> => {
  const silences = new Map<Key, EngineUnreachable>()
  return (key: Key) =>
    <A, E, R>(turn: Effect.Effect<A, E, R>): Effect.Effect<A, E | EngineUnreachable, R> =>
      Effect.suspend(() => {
        const before = silences.get(key)
        const share = Effect.suspend((): Effect.Effect<A, E | EngineUnreachable, R> => {
          const last = silences.get(key)
          return last === undefined || last === before ? turn : Effect.fail(last)
        })
        return exclusively(key)(share).pipe(
          Effect.tap(() => Effect.sync(() => void silences.delete(key))),
          Effect.tapError((error) =>
            Effect.sync(() => {
              if (error instanceof EngineUnreachable) silences.set(key, error)
              else silences.delete(key)
            }),
          ),
        )
      })
}
