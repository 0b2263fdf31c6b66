import { Effect } from "effect"
import type { LeaseError } from "../errors.ts"
import type { HostLeases } from "./HostLeases.ts"
import type { Lease } from "./Lease.ts"

/** One sandbox that resists must not keep the others from being settled. The next pass tries again. */
export const tolerant = (lease: Lease) => (effect: Effect.Effect<void, LeaseError>) =>
  effect.pipe(
    Effect.catch((error) =>
      Effect.logWarning("Could not settle a lease", { sandbox: lease.id, error: error.message }),
    ),
  )

/** Deletes the lease of a sandbox that its host no longer has. */
export const forget = Effect.fnUntraced(function* ({ store }: HostLeases, lease: Lease) {
  if (yield* store.delete(lease, lease.token)) {
    yield* Effect.logInfo("Forgot the lease of a sandbox that is gone", { sandbox: lease.id })
  }
})

/** Stops the sandbox of a claimed lease in `idle` or `stopped`. */
export const stopClaimed = (leases: HostLeases, claimed: Lease) =>
  leases
    .act(claimed, leases.driver.stop, { done: {}, failed: {} })
    .pipe(Effect.catchTag("SandboxNotFound", () => forget(leases, claimed)))
