import { Effect, Option } from "effect"
import type { HostError, LeaseError, LeaseStoreFailed } from "../errors.ts"
import { countReap } from "../metrics.ts"
import type { HostLeases } from "./HostLeases.ts"
import { idleDecision, isUsedElsewhere } from "./idleRule.ts"
import type { Lease } from "./Lease.ts"
import { removeCondemned } from "./removeCondemned.ts"
import { stopClaimed, tolerant } from "./settling.ts"
import type { Uses } from "./uses.ts"

/** Leases that are claimed at once. */
const batch = 16

/**
 * Acts on leases that ran out. Due leases are claimed, so that any number of reapers share the work. Every
 * change is a compare-and-set, so that none undoes what a user or another reaper has just done.
 */
export interface Reaper {
  /** Stops and removes the sandboxes of all leases that are due. */
  readonly settleDue: Effect.Effect<void, HostError | LeaseStoreFailed>
}

/** Renews the lease where a program with another store uses the sandbox, and tells whether one does. */
const usedElsewhere = Effect.fnUntraced(function* ({ driver, store }: HostLeases, lease: Lease) {
  if (store.shared) return false
  const info = yield* driver
    .inspect(lease.id)
    .pipe(Effect.catchTag("SandboxNotFound", () => Effect.succeed(undefined)))
  if (info === undefined || !isUsedElsewhere(info, lease)) return false
  yield* store.renew(lease, lease.token)
  return true
})

const removeAbandoned = Effect.fnUntraced(function* (leases: HostLeases, lease: Lease) {
  const { id, unusedFor, removeTimeout } = lease
  const claimed = yield* leases.change(lease, {
    phase: "removing",
    claim: leases.times.claim,
    unusedFor: removeTimeout,
  })
  if (Option.isNone(claimed)) return
  yield* countReap("remove")
  const message =
    lease.phase === "creating"
      ? "Removing the remains of an interrupted creation"
      : "Removing an abandoned sandbox"
  yield* Effect.logInfo(message, { sandbox: id, unusedFor })
  yield* leases.finishRemoval(claimed.value)
})

const stopIdle = Effect.fnUntraced(function* (leases: HostLeases, lease: Lease) {
  const { id, unusedFor, idleTimeout } = lease
  const idle = yield* leases.change(lease, {
    phase: "idle",
    claim: leases.times.claim,
    unusedFor: idleTimeout,
  })
  if (Option.isNone(idle)) return
  yield* countReap("stop")
  yield* Effect.logInfo("Stopping an idle sandbox", { sandbox: id, unusedFor })
  yield* stopClaimed(leases, idle.value)
})

const settle = Effect.fnUntraced(function* (
  leases: HostLeases,
  uses: Pick<Uses, "has">,
  lease: Lease,
): Effect.fn.Return<void, LeaseError> {
  if (lease.phase === "condemned") return yield* removeCondemned(leases, lease)
  if (lease.phase === "removing") {
    yield* Effect.logInfo("Finishing a removal that was interrupted", { sandbox: lease.id })
    return yield* leases.finishRemoval(lease)
  }
  if (uses.has(lease)) return void (yield* leases.store.renew(lease, lease.token))
  if (yield* usedElsewhere(leases, lease)) return
  const decision = idleDecision(lease)
  if (decision === "remove") yield* removeAbandoned(leases, lease)
  if (decision === "stop") yield* stopIdle(leases, lease)
})

export const makeReaper = (leases: HostLeases, uses: Pick<Uses, "has">): Reaper => {
  const settleBatch = Effect.gen(function* () {
    const host = yield* leases.host
    const due = yield* leases.store.claimDue(host, { claim: leases.times.claim, limit: batch })
    yield* Effect.forEach(due, (lease) => tolerant(lease)(settle(leases, uses, lease)), {
      concurrency: 4,
      discard: true,
    })
    return due.length
  })
  return {
    // What was tried stays claimed, so that this ends.
    settleDue: settleBatch.pipe(
      Effect.repeat({ until: (settled) => settled < batch }),
      Effect.asVoid,
    ),
  }
}
