import { Effect, Option } from "effect"
import type { HostLeases } from "./HostLeases.ts"
import type { Lease } from "./Lease.ts"
import { tolerant } from "./settling.ts"
import { pauseOfCondemned } from "./times.ts"

const attempt = Effect.fnUntraced(function* (
  { driver, store }: HostLeases,
  lease: Lease,
  token: number,
) {
  const { instanceId } = lease
  const info = (yield* driver.list()).find((info) => info.instanceId === instanceId)
  if (info !== undefined) {
    yield* driver
      .remove(info.id, instanceId)
      .pipe(Effect.catchTag("SandboxNotFound", () => Effect.void))
    yield* Effect.logInfo("Removed a sandbox that could not be removed before", {
      sandbox: info.id,
      instanceId,
    })
  }
  yield* store.delete(lease, token)
})

/**
 * Tries to remove a sandbox that could not be ended. The reaper does not wait for it, since the host may take
 * its time to say that it still can't.
 */
export const removeCondemned = Effect.fnUntraced(function* (leases: HostLeases, lease: Lease) {
  const claimed = yield* leases.change(lease, {
    claim: pauseOfCondemned(lease, leases.times.claim),
  })
  if (Option.isNone(claimed)) return
  yield* Effect.forkDetach(tolerant(lease)(attempt(leases, lease, claimed.value.token)))
})
