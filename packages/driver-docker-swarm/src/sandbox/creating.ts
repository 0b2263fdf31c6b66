import type { HostError } from "@cordon/core"
import { Duration, Effect, Schedule } from "effect"
import { isOutdated, type Manager } from "../manager/Manager.ts"
import type { Service, WholeService } from "../manager/schemas.ts"
import { isBrokenOffSince, silence } from "./abandoned.ts"
import { beatLabel, isCreating, stateLabel } from "./service.ts"

const interval = Duration.seconds(3)
const look = Duration.millis(250)

/** Shows that the creation of a service goes on, as long as it runs. */
export const showCreating = (manager: Manager, service: string): Effect.Effect<never> => {
  let beats = 0
  return Effect.sleep(interval).pipe(
    Effect.andThen(
      Effect.suspend(() => manager.serviceLabel(service, { [beatLabel]: String(++beats) })),
    ),
    // The managers may be away. Errors that matter also appear elsewhere.
    Effect.ignore,
    Effect.forever,
  )
}

/**
 * Turns a service into a sandbox.
 *
 * @param read as it was a moment ago
 */
export const finishCreating = (
  manager: Manager,
  read: WholeService,
  labels: Readonly<Record<string, string>>,
) => {
  const wanted = { ...labels, [stateLabel]: undefined, [beatLabel]: undefined }
  return Effect.catchIf(manager.serviceWrite(read, wanted), isOutdated, () =>
    manager.serviceLabel(read.ID, wanted),
  )
}

/** Whether the creation of a service was aborted. A creation in progress shows activity within some seconds. */
export const isBrokenOff = Effect.fnUntraced(function* (
  manager: Manager,
  service: Service,
): Effect.fn.Return<boolean, HostError> {
  if (!isCreating(service)) return false
  if (isBrokenOffSince(service, yield* manager.now)) return true
  const changed = yield* Effect.andThen(
    Effect.sleep(look),
    manager.serviceInspect(service.ID),
  ).pipe(
    Effect.map(({ Version }) => Version.Index !== service.Version.Index),
    Effect.repeat({
      schedule: Schedule.recurs(Duration.toMillis(silence) / Duration.toMillis(look)),
      until: (changed) => changed,
    }),
    // It was undone meanwhile, by its creator or by another program.
    Effect.catchReason("EngineError", "NotFound", () => Effect.succeed(false)),
  )
  return !changed
})
