import { InvalidInput } from "@cordon/core"
import { Config, Effect, Option } from "effect"

/**
 * Whether container sandboxes are enabled: `FEATURE_CONTAINER_SANDBOX`, or the legacy
 * `FEATURE_DOCKER_CAPABILITY` if the first is not set. Default: false.
 *
 * Both accept true, false, yes, no, on, off, y, n, 1 and 0. Fails with `InvalidInput` for anything
 * else.
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
