import { Duration, Effect, Schedule, Stream } from "effect"
import { type Closed, type FileError, InvalidInput, type Unsupported } from "../errors.ts"
import type { SandboxStats } from "../values/Stats.ts"

/** How often statistics are read. */
export interface WatchStatsOptions {
  /** Each second by default, from 100 milliseconds to an hour. */
  readonly every?: Duration.Input | undefined
}

/** What reading the statistics of a sandbox may fail with. */
export type StatsError = FileError | Unsupported | Closed

const shortest = 100
const longest = Duration.toMillis("1 hour")

const checkEvery = Effect.fnUntraced(function* (given: Duration.Input) {
  const every = Duration.fromInput(given)
  const millis = every._tag === "Some" ? Duration.toMillis(every.value) : Number.NaN
  if (millis >= shortest && millis <= longest) return millis
  return yield* new InvalidInput({
    subject: "every",
    issue: "it must be a duration from 100 milliseconds to an hour",
  })
})

/** Reads again and again, from now on, until the sandbox no longer runs. */
export const watchStats = (
  read: Effect.Effect<SandboxStats, StatsError>,
  { every = "1 second" }: WatchStatsOptions = {},
): Stream.Stream<SandboxStats, StatsError | InvalidInput> =>
  Stream.unwrap(
    Effect.map(checkEvery(every), (millis) => {
      let began = false
      return Stream.fromEffectSchedule(read, Schedule.fixed(millis)).pipe(
        Stream.tap(() =>
          Effect.sync(() => {
            began = true
          }),
        ),
        Stream.catch((error) =>
          began && (error._tag === "SandboxNotRunning" || error._tag === "SandboxNotFound")
            ? Stream.empty
            : Stream.fail(error),
        ),
      )
    }),
  )
