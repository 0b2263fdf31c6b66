import { Effect, Option, References } from "effect"
import { GlobalFlag } from "effect/cli"

/** Logs what is wrong, and more only where a flag asks for it: users see what is on standard error. */
export const quiet = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(GlobalFlag.LogLevel, (asked) =>
    Effect.provideService(
      effect,
      References.MinimumLogLevel,
      Option.getOrElse(asked, () => "Warn" as const),
    ),
  )
