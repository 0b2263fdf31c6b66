import { Clock, Effect, type Scope } from "effect"
import { Pool } from "undici"

/**
 * A pool of connections for further calls, closed with the scope. An idle connection is kept for
 * `keepAliveTimeout` milliseconds, even if the engine proposes another time.
 *
 * @returns the pool to use now. After a while without calls it is a new one: timers stop while a
 * machine sleeps, so old connections would seem fresh.
 */
export const makePool = (
  origin: string,
  options: Pool.Options & { readonly keepAliveTimeout: number },
): Effect.Effect<() => Pool, never, Scope.Scope> =>
  Clock.clockWith((clock) =>
    Effect.gen(function* () {
      const make = () =>
        new Pool(origin, { ...options, keepAliveMaxTimeout: options.keepAliveTimeout })
      const pools = new Set<Pool>()
      yield* Effect.addFinalizer(() =>
        Effect.promise(() => Promise.all([...pools].map((pool) => pool.destroy()))),
      )
      let pool = make()
      pools.add(pool)
      let usedAt = clock.currentTimeMillisUnsafe()
      return () => {
        const now = clock.currentTimeMillisUnsafe()
        if (now - usedAt > options.keepAliveTimeout) {
          const old = pool
          // Lets its calls end; they may be streams.
          old.close(() => void pools.delete(old))
          pool = make()
          pools.add(pool)
        }
        usedAt = now
        return pool
      }
    }),
  )
