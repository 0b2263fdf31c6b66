import type { HostError, SandboxDriver, SandboxId } from "@cordon/core"
import { isEngineError } from "@cordon/driver-docker/engine"
import { label } from "@cordon/driver-docker/sandbox"
import { type Duration, Effect } from "effect"
import type { Manager } from "../manager/Manager.ts"
import type { Network, Service } from "../manager/schemas.ts"
import { abandonedNetworks, abandonedServices, ownerOfNetwork } from "./abandoned.ts"
import { retire } from "./ahead.ts"
import { sweepGuards } from "./guard.ts"
import { networkLabel } from "./networks.ts"
import type { Nodes } from "./nodes.ts"
import type { Removal } from "./removal.ts"
import { attemptLabel } from "./service.ts"
import type { Snapshots } from "./snapshots.ts"

// Milliseconds after which a guard container counts as abandoned by a dead program.
const guarding = 60_000

/** Removes what programs left that ended in the middle of something. */
export const makeSweeper = (using: {
  readonly manager: Manager
  readonly nodes: Nodes
  readonly removal: Pick<Removal, "takeAway">
  readonly snapshots: Snapshots
}) => {
  const { manager, nodes, removal, snapshots } = using

  const removeNetwork = ({ Id }: Network) =>
    manager.networkRemove(Id).pipe(
      // In use after all, or already gone.
      Effect.catchIf(isEngineError("InUse", "NotFound", "Rejected"), () => Effect.void),
    )

  const takeAway = (services: ReadonlyArray<Service>) =>
    Effect.forEach(services, ({ ID }) => removal.takeAway(ID), { concurrency: 4, discard: true })

  /** @returns the IDs of the sandboxes that they were made for */
  const sweepManagers = Effect.fnUntraced(function* (
    olderThan: Duration.Duration,
    only?: SandboxId,
  ): Effect.fn.Return<ReadonlyArray<string>, HostError> {
    const filter = only === undefined ? networkLabel : `${networkLabel}=${only}`
    const networks = yield* manager.networkList({ label: [filter] })
    const services = yield* manager.serviceList({ label: [label.version] })
    const now = yield* manager.now
    const { broken, ahead } = abandonedServices(services, now, olderThan, only)
    yield* takeAway(broken)
    // Skips services that are being claimed now.
    const retired = yield* Effect.filter(ahead, (service) => retire(manager, service), {
      concurrency: 4,
    })
    yield* takeAway(retired)
    const gone = [...broken, ...retired]
    const left = abandonedNetworks(
      {
        now,
        networks,
        services: services.filter((service) => !gone.includes(service)),
        tasks: yield* manager.taskList({ label: [attemptLabel] }),
        nodes: yield* manager.nodes,
      },
      olderThan,
    )
    yield* Effect.forEach(left, removeNetwork, { discard: true })
    return [...new Set([...gone.map(({ Spec }) => Spec.Name), ...left.map(ownerOfNetwork)])]
  })

  const sweepNodes = Effect.gen(function* () {
    const reachable = yield* nodes.reachable(yield* manager.nodes)
    const before = ((yield* manager.now) - guarding) / 1000
    yield* Effect.forEach(
      reachable,
      (node) => Effect.ignore(Effect.timeout(sweepGuards(node, before), "5 seconds")),
      { concurrency: 8, discard: true },
    )
  }).pipe(Effect.scoped)

  const sweep: SandboxDriver["Service"]["sweep"] = Effect.fn("SwarmDriver.sweep")(
    function* (olderThan) {
      yield* sweepNodes
      const removed = yield* sweepManagers(olderThan)
      return [...removed, ...(yield* snapshots.sweep(yield* manager.now, olderThan))]
    },
  )

  return {
    all: sweep,
    /** Removes the remains of aborted creations of one sandbox. */
    of: (id: SandboxId, olderThan: Duration.Duration) => sweepManagers(olderThan, id),
  }
}
export type Sweeper = ReturnType<typeof makeSweeper>
