import { Duration, Effect, Option } from "effect"
import { InvalidInput } from "../errors.ts"
import { forget, type SessionContext } from "../session/context.ts"
import type { SandboxContext } from "./context.ts"
import type { Sandbox } from "./Sandbox.ts"

/** Starts, stops, pauses, extends and removes one sandbox. */
export const makeLifecycle = (
  { driver, settings, info, id, use, whileOpen }: SandboxContext,
  session: SessionContext,
): Pick<Sandbox, "pause" | "resume" | "extend" | "start" | "stop" | "remove"> => {
  const { leases, owner } = session
  return {
    pause: use(driver.pause(id)),
    resume: use(driver.resume(id)),
    extend: (duration) =>
      Effect.flatMap(checkExtension(duration, settings.extensionLimit), (milliseconds) =>
        whileOpen(leases.extend(info, milliseconds)),
      ),
    start: whileOpen(leases.start(info)),
    stop: whileOpen(leases.stop(info)),
    remove: Effect.tap(whileOpen(leases.remove(info)), () =>
      Effect.andThen(
        Effect.sync(() => owner.disown(info)),
        forget(session, info),
      ),
    ),
  }
}

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
