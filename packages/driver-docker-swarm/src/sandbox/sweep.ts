import type { SandboxDriver } from "@cordon/core"
import { Effect } from "effect"
import type { Manager } from "../manager/Manager.ts"
import { sweepGuards } from "./guard.ts"
import type { Nodes } from "./nodes.ts"
import type { Removal } from "./removal.ts"
import type { Snapshots } from "./snapshots.ts"

// Milliseconds after which a container that closes the way to the nodes was left by a dead program.
const guarding = 60_000

/** Removes what programs left that ended in the middle of something. */
export const makeSweep = (using: {
  readonly manager: Manager
  readonly nodes: Nodes
  readonly removal: Removal
  readonly snapshots: Snapshots
}): SandboxDriver["Service"]["sweep"] => {
  const { manager, nodes, removal, snapshots } = using
  return Effect.fn("SwarmDriver.sweep")(function* (olderThan) {
    const reachable = yield* nodes.reachable(yield* manager.nodes)
    const before = ((yield* manager.now) - guarding) / 1000
    yield* Effect.forEach(
      reachable,
      (node) => Effect.ignore(Effect.timeout(sweepGuards(node, before), "5 seconds")),
      { concurrency: 8, discard: true },
    )
    const now = yield* manager.now
    return [...(yield* removal.sweep(olderThan)), ...(yield* snapshots.sweep(now, olderThan))]
  }, Effect.scoped)
}
