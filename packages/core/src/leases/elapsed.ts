import { Clock, Effect } from "effect"

/** Milliseconds of a clock that nobody sets: how much time has passed, not what time it is. */
export const elapsed = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))
