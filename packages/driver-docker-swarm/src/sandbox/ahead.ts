import { type HostError, SandboxId } from "@cordon/core"
import { isEngineError } from "@cordon/driver-docker/engine"
import { Effect } from "effect"
import { isOutdated, labelsOf, type Manager } from "../manager/Manager.ts"
import type { Service, WholeService } from "../manager/schemas.ts"
import { beatLabel, ownerLabel } from "./service.ts"

/**
 * Services that are made ahead. A service can't be renamed, so two writes turn one into a sandbox.
 * First a label on it names the owner, so that no other session can take it. Then a second service
 * without a task is made, which has the sandbox's name and refers to the first.
 */
// The prefix of no session: the first 16 digits of a session's key are never all zeros.
const prefix = "cordon-0000000000000000-"

export const nameAhead = (attempt: string): SandboxId => SandboxId.make(`${prefix}${attempt}`)
export const isAhead = (id: string): boolean => id.startsWith(prefix)

const nobody = "nobody"

/**
 * Gives a service to an owner, if it has none.
 *
 * @param read the service, as it was after its last write
 * @returns whether the owner got it
 */
export const give = (
  manager: Manager,
  read: WholeService,
  owner: string,
): Effect.Effect<boolean, HostError> => {
  const write = (service: WholeService) =>
    Effect.as(manager.serviceWrite(service, { [ownerLabel]: owner }), true)
  const again = Effect.gen(function* () {
    const now = yield* manager.serviceRead(read.ID)
    const its = labelsOf(now)[ownerLabel]
    // Perhaps the answer of a first attempt got lost.
    return its === undefined ? yield* write(now) : its === owner
  }).pipe(Effect.retry({ times: 10, while: isOutdated }))
  return write(read).pipe(
    Effect.catchIf(isOutdated, () => again),
    Effect.catchReason("EngineError", "NotFound", () => Effect.succeed(false)),
  )
}

/** Has nobody get a service any more, if it is nobody's or its owner is gone. @returns whether that is so */
export const retire = (
  manager: Manager,
  { ID, Version, Spec }: Service,
): Effect.Effect<boolean, HostError> =>
  Effect.gen(function* () {
    if (Spec.Labels?.[ownerLabel] !== undefined) return true
    const read = yield* manager.serviceRead(ID)
    // It was renewed or claimed since it was found abandoned.
    if (read.Version.Index !== Version.Index) return false
    yield* manager.serviceWrite(read, { [ownerLabel]: nobody })
    return true
  }).pipe(Effect.catchIf(isOutdatedOrGone, () => Effect.succeed(false)))

const isOutdatedOrGone = isEngineError("Outdated", "NotFound")

/** Shows that a service is held. @returns it as it is then */
export const renew = (manager: Manager, service: string, now: number) =>
  Effect.andThen(
    manager.serviceLabel(service, { [beatLabel]: now.toString(36) }),
    manager.serviceRead(service),
  )
