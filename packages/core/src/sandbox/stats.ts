import { Duration, Effect, Ref, Schedule, Stream } from "effect"
import { type Closed, type FileError, InvalidInput, type Unsupported } from "../errors.ts"
import type { SandboxStats } from "../values/Stats.ts"
import type { SandboxContext } from "./context.ts"
import type { Sandbox } from "./Sandbox.ts"

/** How often statistics are read. */
export interface WatchStatsOptions {
  /** From 100 milliseconds to an hour. Default: 1 second. */
  readonly every?: Duration.Input | undefined
}

/** Why reading the statistics of a sandbox may fail. */
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

/** Reads again and again, until a sandbox that ran does not run any more. */
const watchStats = (
  read: Effect.Effect<SandboxStats, StatsError>,
  { every = "1 second" }: WatchStatsOptions = {},
): Stream.Stream<SandboxStats, StatsError | InvalidInput> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const millis = yield* checkEvery(every)
      const hasRun = yield* Ref.make(false)
      return Stream.fromEffectSchedule(read, Schedule.fixed(millis)).pipe(
        Stream.tap(() => Ref.set(hasRun, true)),
        Stream.catch((error) =>
          Stream.unwrap(
            Effect.map(Ref.get(hasRun), (hasRun) =>
              hasRun && (error._tag === "SandboxNotRunning" || error._tag === "SandboxNotFound")
                ? Stream.empty
                : Stream.fail(error),
            ),
          ),
        ),
      )
    }),
  )

/** Reads what one sandbox uses. */
export const makeStats = ({
  driver,
  id,
  need,
  askIncarnation,
  whileOpen,
}: SandboxContext): Pick<Sandbox, "stats" | "watchStats"> => {
  const stats = whileOpen(Effect.andThen(need("stats"), askIncarnation(driver.stats(id))))
  return { stats, watchStats: (options) => watchStats(stats, options) }
}
