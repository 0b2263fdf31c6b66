import { InvalidInput } from "@cordon/core"
import { Config, Effect, Option } from "effect"

/**
 * Whether container sandboxes are enabled: `FEATURE_CONTAINER_SANDBOX`, or the legacy
 * `FEATURE_DOCKER_CAPABILITY` where that is not set; off where neither is.
 *
 * Both take true, false, yes, no, on, off, y, n, 1 and 0; anything else is `InvalidInput`.
 */
export const containerSandboxEnabled: Effect.Effect<boolean, InvalidInput> = Effect.gen(
  function* () {
    const current = yield* flag("FEATURE_CONTAINER_SANDBOX")
    const legacy = yield* flag("FEATURE_DOCKER_CAPABILITY")
    return Option.getOrElse(
      Option.orElse(current, () => legacy),
      () => false,
    )
  },
)

function flag(name: string) {
  return Effect.mapError(
    Config.option(Config.Boolean(name)),
    () => new InvalidInput({ subject: name, issue: "set it to true or false, or unset it." }),
  )
}
