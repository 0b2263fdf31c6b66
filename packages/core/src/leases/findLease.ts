import { Effect, Option } from "effect"
import type { SandboxTarget } from "../driver/Incarnation.ts"
import { type LeaseError, LeaseLost, SandboxNotFound, SandboxNotRunning } from "../errors.ts"
import type { HostLeases } from "./HostLeases.ts"
import type { Lease } from "./Lease.ts"
import { awaitingClaim } from "./times.ts"
import { untilWon } from "./untilWon.ts"

const findOnce = Effect.fnUntraced(function* (
  leases: HostLeases,
  target: SandboxTarget,
): Effect.fn.Return<Option.Option<Lease>, LeaseError> {
  const found = yield* leases.get(target.id)
  const isOurs = Option.exists(found, ({ instanceId }) => instanceId === target.instanceId)
  if (!isOurs) yield* leases.condemned.refuse(target)
  if (Option.isNone(found)) return yield* leases.adopt(yield* leases.driver.inspect(target.id))
  if (found.value.phase === "creating") {
    return yield* new SandboxNotRunning({ sandbox: target.id, status: "created" })
  }
  if (!isOurs) return yield* new LeaseLost({ sandbox: target.id })
  return found
})

/** The lease of this very incarnation. One that has no lease yet is given one. */
export const currentLease = (
  leases: HostLeases,
  target: SandboxTarget,
): Effect.Effect<Lease, LeaseError> => untilWon(findOnce(leases, target))

/** As `currentLease`, once nobody else has a claim on it. It fails when the lease is being removed. */
export const settledLease = (
  leases: HostLeases,
  target: SandboxTarget,
): Effect.Effect<Lease, LeaseError> =>
  currentLease(leases, target).pipe(
    Effect.filterOrFail(
      ({ phase }) => phase !== "removing",
      () => new SandboxNotFound({ sandbox: target.id }),
    ),
    Effect.repeat({
      schedule: awaitingClaim,
      until: ({ claimedFor, phase }) => claimedFor === 0 || phase === "active",
    }),
  )
