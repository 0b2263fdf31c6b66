import { Clock, Effect } from "effect"

/** A clock whose time of day can be set, as an administrator or NTP would. */
export const makeSettableClock = Effect.map(Clock.Clock, (clock) => {
  let offset = 0
  const nanos = () => BigInt(offset) * 1_000_000n
  const settable: Clock.Clock = {
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + offset,
    currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + offset),
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + nanos(),
    currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now + nanos()),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration),
  }
  return {
    clock: settable,
    /** Puts it forward, or back, by so many milliseconds. */
    jump: (ms: number) =>
      Effect.sync(() => {
        offset += ms
      }),
  }
})
