import { Duration, Effect, Option } from "effect"
import { InvalidInput } from "../errors.ts"
import type { SandboxContext } from "./context.ts"
import type { Sandbox } from "./Sandbox.ts"

/** Starts, stops, pauses, extends and removes one sandbox. */
export const makeLifecycle = ({
  driver,
  settings,
  id,
  use,
  lifecycle,
}: SandboxContext): Pick<Sandbox, "pause" | "resume" | "extend" | "start" | "stop" | "remove"> => ({
  ...lifecycle,
  pause: use(driver.pause(id)),
  resume: use(driver.resume(id)),
  extend: (duration) =>
    Effect.flatMap(checkExtension(duration, settings.extensionLimit), lifecycle.extend),
})

/** Checks by how long a lease is extended, and gives it in milliseconds. */
const checkExtension = (
  duration: Duration.Input,
  limit: Duration.Duration,
): Effect.Effect<number, InvalidInput> => {
  const lasting = Option.map(Duration.fromInput(duration), Duration.toMillis)
  return Option.isSome(lasting) && lasting.value > 0 && lasting.value <= Duration.toMillis(limit)
    ? Effect.succeed(lasting.value)
    : Effect.fail(
        new InvalidInput({
          subject: "extension",
          issue: `it must be a duration above zero and of at most ${Duration.format(limit)} (extensionLimit of the settings)`,
        }),
      )
}
