import type { SandboxId } from "@cordon/core"
import { Duration, Effect, Option } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "../engine/failures.ts"
import { networkOf } from "../engine/podman.ts"
import { label } from "../Labels.ts"
import type { Egress } from "./egress.ts"
import { networkOfProxy, removeNetwork } from "./network.ts"
import { forking, type Snapshots } from "./snapshots.ts"
import { aheadSince, removeAhead } from "./WarmPool.ts"

/** Removes what programs left that ended in the middle of something. */
export const makeSweeper = (using: {
  readonly engine: DockerEngine["Service"]
  readonly egress: Egress
  readonly snapshots: Snapshots
}) => {
  const { engine, egress, snapshots } = using

  const sweepNetworks = Effect.fnUntraced(function* (
    olderThan: Duration.Duration,
    only?: SandboxId,
  ) {
    const filter = only === undefined ? label.version : `${label.id}=${only}`
    // Networks first: one that gets its container in between is then seen with it.
    const networks = yield* engine.networkList({ label: [filter], driver: ["bridge"] })
    const containers = yield* engine.containerList({ label: [label.version] })
    const sandboxes = containers.filter(
      ({ Names: [name = ""] }) => networkOfProxy(name) === undefined,
    )
    const inUse = new Set(sandboxes.map(networkOf))
    // The engine's own clock: ours may be minutes away from the one that it dates networks by.
    const { SystemTime } = yield* engine.info
    const now = SystemTime ? Date.parse(SystemTime) : Date.now()
    const oldest = now - Duration.toMillis(olderThan)
    const abandoned = networks.filter(
      ({ Name, Created }) => !inUse.has(Name) && Date.parse(Created) <= oldest,
    )
    yield* Effect.forEach(
      abandoned,
      (network) =>
        removeNetwork(engine, network.Name).pipe(
          // In use after all, or already gone.
          Effect.catchIf(isEngineError(403, 404, 409), () => Effect.void),
        ),
      { discard: true },
    )
    const others =
      only === undefined
        ? [
            ...(yield* egress.sweep(containers, inUse, oldest)),
            ...(yield* snapshots.sweep(Math.min(oldest, now - forking))),
          ]
        : []
    return [...abandoned.map((network) => network.Name), ...others]
  })

  /** Removes what was made ahead by processes that no longer hold it. */
  const sweepAhead = Effect.fnUntraced(function* (olderThan: Duration.Duration) {
    const containers = yield* engine.containerList({ label: [label.ahead] })
    const oldest = Date.now() - Duration.toMillis(olderThan)
    const abandoned = containers.filter(({ Names: [name = ""] }) =>
      Option.exists(aheadSince(name), (since) => since <= oldest),
    )
    yield* Effect.forEach(
      abandoned,
      (container) =>
        removeAhead(engine, (container.Names[0] ?? "").replace("/", ""), networkOf(container)),
      { discard: true },
    )
    return abandoned.map(({ Names: [name = ""] }) => name.replace("/", ""))
  })

  return {
    networks: sweepNetworks,
    all: Effect.fn("DockerDriver.sweep")(function* (olderThan: Duration.Duration) {
      const containers = yield* sweepAhead(olderThan)
      return [...containers, ...(yield* sweepNetworks(olderThan))]
    }),
  }
}
export type Sweeper = ReturnType<typeof makeSweeper>
