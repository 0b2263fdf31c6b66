import { Effect, Option } from "effect"
import type { SandboxTarget } from "../driver/Incarnation.ts"
import { type LeaseError, SandboxNotFound } from "../errors.ts"
import { currentLease } from "./findLease.ts"
import type { HostLeases } from "./HostLeases.ts"
import type { Lease } from "./Lease.ts"
import { awaitingClaim } from "./times.ts"

/** Waits until another process has removed the sandbox, or has given up. Tells whether it is gone. */
const removedByOther = (leases: HostLeases, removing: Lease) => {
  const isGone = (found: Option.Option<Lease>) =>
    !Option.exists(found, ({ instanceId }) => instanceId === removing.instanceId)
  return leases.store.get(removing).pipe(
    Effect.repeat({
      schedule: awaitingClaim,
      until: (found) => isGone(found) || Option.exists(found, (lease) => lease.claimedFor === 0),
    }),
    Effect.map(isGone),
  )
}

/** One attempt at a removal. Tells whether the sandbox is gone. */
const tryToRemove = Effect.fnUntraced(function* (
  leases: HostLeases,
  target: SandboxTarget,
): Effect.fn.Return<boolean, LeaseError> {
  const lease = yield* currentLease(leases, target).pipe(
    // It was removed and made anew: the incarnation that was to be removed is gone.
    Effect.catchTag("LeaseLost", ({ sandbox }) => Effect.fail(new SandboxNotFound({ sandbox }))),
  )
  if (lease.phase === "removing" && lease.claimedFor > 0) {
    const gone = yield* removedByOther(leases, lease)
    if (gone) yield* leases.condemned.refuse(lease)
    return gone
  }
  // From here on there is no way back: a reaper finishes a removal that is broken off.
  const claimed = yield* leases.change(lease, { phase: "removing", claim: leases.times.claim })
  if (Option.isNone(claimed)) return false
  yield* leases.finishRemoval(claimed.value)
  return true
})

/** Removes a sandbox and its lease. */
export const remove = (
  leases: HostLeases,
  target: SandboxTarget,
): Effect.Effect<void, LeaseError> =>
  tryToRemove(leases, target).pipe(Effect.repeat({ until: (gone) => gone }), Effect.asVoid)
