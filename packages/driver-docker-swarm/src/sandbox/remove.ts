import { type SandboxDriver, SandboxNotFound } from "@cordon/core"
import { Duration, Effect } from "effect"
import { type Lookup, type SwarmLocator, settled } from "./lookup.ts"
import type { Removal } from "./removal.ts"
import type { Snapshots } from "./snapshots.ts"
import type { Sweeper } from "./sweep.ts"

/** Removes sandboxes, with their networks and with the passing snapshots that they were made from. */
export const makeRemove = (using: {
  readonly lookup: Lookup
  readonly locator: Pick<SwarmLocator, "forget">
  readonly removal: Removal
  readonly snapshots: Snapshots
  readonly sweeper: Sweeper
}): SandboxDriver["Service"]["remove"] => {
  const { lookup, locator, removal, snapshots, sweeper } = using
  return Effect.fn("SwarmDriver.remove")(function* (id, instanceId) {
    yield* locator.forget(id)
    const { sandbox, service } = yield* lookup.look(id).pipe(
      // Nobody is creating this sandbox now, so remains of an aborted creation are removed at any
      // age.
      Effect.tapErrorTag("SandboxNotFound", () => sweeper.of(id, Duration.zero)),
    )
    if (instanceId !== undefined && sandbox.instanceId !== instanceId) {
      return yield* new SandboxNotFound({ sandbox: id })
    }
    yield* settled(id)(removal.dismiss(service, sandbox.network !== "none"))
    yield* snapshots.removeWith(sandbox)
  })
}
