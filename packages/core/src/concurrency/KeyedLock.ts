import { Effect, Semaphore } from "effect"

/** Runs effects of one key one after the other; keys that nobody waits on take no memory. */
export const makeKeyedLock = <Key>() => {
  const held = new Map<Key, { readonly semaphore: Semaphore.Semaphore; users: number }>()
  return (key: Key) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          const entry = held.get(key) ?? { semaphore: Semaphore.makeUnsafe(1), users: 0 }
          entry.users += 1
          held.set(key, entry)
          return entry
        }),
        (entry) => entry.semaphore.withPermit(effect),
        (entry) =>
          Effect.sync(() => {
            entry.users -= 1
            if (entry.users === 0) held.delete(key)
          }),
      )
}
