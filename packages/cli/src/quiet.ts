import { Effect, Option, References } from "effect"
import { GlobalFlag } from "effect/cli"

/** Logs only warnings and errors unless a flag asks for more, since users see standard error. */
export const quiet = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(GlobalFlag.LogLevel, (asked) =>
    Effect.provideService(
      effect,
      References.MinimumLogLevel,
      Option.getOrElse(asked, () => "Warn" as const),
    ),
  )
