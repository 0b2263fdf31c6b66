import { Clock, Context, Effect } from "effect"

/** Calls `run` some milliseconds from now. The returned function cancels that. */
export type Later = (millis: number, run: () => void) => () => void

/** Milliseconds by the caller's wall clock, which continues while a machine sleeps. */
export type Now = () => number

export const makeNow: Effect.Effect<Now> = Clock.clockWith((clock) =>
  Effect.succeed(() => clock.currentTimeMillisUnsafe()),
)

const longest = 2 ** 31 - 1

/**
 * Timers by the caller's clock, without a fiber each. No timer keeps a program alive: only the code
 * that waits for it may.
 */
export const makeLater: Effect.Effect<Later> = Clock.clockWith((clock) =>
  Effect.succeed(
    clock === Context.get(Context.empty(), Clock.Clock)
      ? (millis, run) => {
          // A longer timeout would fire at once. Nobody waits for 24 days.
          const timer = setTimeout(run, Math.min(millis, longest)).unref()
          return () => clearTimeout(timer)
        }
      : (millis, run) => {
          const sleeps = Effect.runFork(
            Effect.andThen(Effect.sleep(millis), Effect.sync(run)).pipe(
              Effect.provideService(Clock.Clock, clock),
            ),
          )
          return () => sleeps.interruptUnsafe()
        },
  ),
)
