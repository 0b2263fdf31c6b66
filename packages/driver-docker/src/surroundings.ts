import { join } from "node:path"
import { Config, Effect, Option } from "effect"

/** An environment variable; undefined if it is absent or empty. */
export const setting = (name: string): Effect.Effect<string | undefined> =>
  Effect.map(
    Effect.orElseSucceed(Config.option(Config.NonEmptyString(name)), () => Option.none<string>()),
    Option.getOrUndefined,
  )

/** This user's home folder. */
export const homeFolder = Effect.gen(function* () {
  return (yield* setting("HOME")) ?? (yield* setting("USERPROFILE"))
})

/**
 * The folder of the docker client's configuration.
 *
 * @param configured `DOCKER_CONFIG`
 */
export const dockerFolder = (
  configured: string | undefined,
  home: string | undefined,
): string | undefined => configured ?? (home === undefined ? undefined : join(home, ".docker"))
