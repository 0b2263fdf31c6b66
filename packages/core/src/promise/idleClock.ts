import { Clock, Context, Duration, Effect } from "effect"

const clock = Context.get(Context.empty(), Clock.Clock)
/** The longest time that a timer takes. */
const longest = 2 ** 31 - 1

const sleep = (milliseconds: number): Effect.Effect<void> => {
  if (milliseconds <= 0) return Effect.yieldNow
  if (!Number.isFinite(milliseconds)) return Effect.never
  const now = Math.min(milliseconds, longest)
  return Effect.callback<void>((resume) => {
    const timer = setTimeout(() => resume(sleep(milliseconds - now)), now)
    timer.unref()
    return Effect.sync(() => clearTimeout(timer))
  })
}

/** The system's clock, but a sleep does not keep the process alive: a call that is pending does. */
export const idleClock: Clock.Clock = {
  currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
  currentTimeMillis: clock.currentTimeMillis,
  currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
  currentTimeNanos: clock.currentTimeNanos,
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: (duration) => sleep(Duration.toMillis(duration)),
}
