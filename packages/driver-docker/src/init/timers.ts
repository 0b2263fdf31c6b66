import { Clock, Context, Effect } from "effect"

/** Calls `run` some milliseconds from now; what it returns prevents that. */
export type Later = (millis: number, run: () => void) => () => void

/** Milliseconds by the caller's wall clock, which goes on while a machine sleeps. */
export type Now = () => number

export const makeNow: Effect.Effect<Now> = Clock.clockWith((clock) =>
  Effect.succeed(() => clock.currentTimeMillisUnsafe()),
)

const longest = 2 ** 31 - 1

/**
 * Timers by the caller's clock, without a fiber each. None of them keeps a program alive: what waits
 * for the timer does, if anything should.
 */
export const makeLater: Effect.Effect<Later> = Clock.clockWith((clock) =>
  Effect.succeed(
    clock === Context.get(Context.empty(), Clock.Clock)
      ? (millis, run) => {
          // More would strike at once. Nobody waits for 24 days.
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
