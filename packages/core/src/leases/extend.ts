import { Duration, Effect, Option } from "effect"
import { Incarnation, type SandboxTarget } from "../driver/Incarnation.ts"
import type { LeaseError } from "../errors.ts"
import { settledLease } from "./findLease.ts"
import type { HostLeases } from "./HostLeases.ts"
import { untilWon } from "./untilWon.ts"

/** Lets a sandbox count as used for so many milliseconds from now on. */
export const extend = Effect.fnUntraced(function* (
  leases: HostLeases,
  target: SandboxTarget,
  lasting: number,
): Effect.fn.Return<void, LeaseError> {
  const { driver, store } = leases
  const lease = yield* untilWon(
    Effect.flatMap(settledLease(leases, target), (lease) =>
      Effect.map(store.renew(lease, lease.token, lasting), (renewed) =>
        renewed ? Option.some(lease) : Option.none(),
      ),
    ),
  )
  // Always the longest extension: a shorter one than before must not shorten what the driver keeps.
  const longest = Duration.toMillis(leases.extensionLimit) + lease.removeTimeout
  yield* (driver.outlive?.(target.id, longest) ?? Effect.void).pipe(
    Effect.provideService(Incarnation, target),
    leases.condemned.watch(lease),
  )
})
