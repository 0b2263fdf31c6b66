import { Effect, Option } from "effect"
import type { SandboxTarget } from "../driver/Incarnation.ts"
import type { LeaseError } from "../errors.ts"
import { settledLease } from "./findLease.ts"
import type { HostLeases } from "./HostLeases.ts"
import type { Lease } from "./Lease.ts"
import { untilWon } from "./untilWon.ts"

const startClaimed = (leases: HostLeases, claimed: Lease) =>
  leases.act(claimed, leases.driver.start, {
    done: { phase: "active", used: true },
    failed: {},
  })

/** Claims the lease and starts its sandbox. It gives none when another process was faster. */
export const startLease = Effect.fnUntraced(function* (leases: HostLeases, lease: Lease) {
  const claimed = yield* leases.change(lease, { claim: leases.times.claim })
  return Option.isSome(claimed) ? yield* startClaimed(leases, claimed.value) : Option.none<Lease>()
})

/** Starts a sandbox on request. */
export const start = Effect.fnUntraced(function* (
  leases: HostLeases,
  target: SandboxTarget,
): Effect.fn.Return<void, LeaseError> {
  const claimed = yield* untilWon(
    Effect.flatMap(settledLease(leases, target), (lease) =>
      leases.change(lease, { claim: leases.times.claim }),
    ),
  )
  yield* startClaimed(leases, claimed)
})

/** Stops a sandbox on request. */
export const stop = Effect.fnUntraced(function* (
  leases: HostLeases,
  target: SandboxTarget,
): Effect.fn.Return<void, LeaseError> {
  const { claimed, before } = yield* untilWon(
    Effect.flatMap(settledLease(leases, target), (lease) =>
      Effect.map(
        leases.change(lease, { phase: "stopped", claim: leases.times.claim }),
        Option.map((claimed) => ({ claimed, before: lease.phase })),
      ),
    ),
  )
  yield* leases.act(claimed, leases.driver.stop, { done: {}, failed: { phase: before } })
})
