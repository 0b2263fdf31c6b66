import { Clock, Effect, type Scope } from "effect"
import { Pool } from "undici"

/**
 * Connections that are kept for further calls, and closed with the scope; idle ones for `keepAliveTimeout`
 * milliseconds, whatever an engine says.
 *
 * @returns the pool to use now. It is another one after a while without calls: timers stand still while
 * a machine sleeps, so that connections of long ago would still count as fresh.
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
