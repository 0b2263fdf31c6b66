import type { HostError, SandboxId, SandboxInfo } from "@cordon/core"
import { Clock, type Duration, Effect } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "../engine/failures.ts"
import { label } from "../Labels.ts"
import { removeNetwork, removeProxy } from "../network/networks.ts"
import { removeAhead } from "../warm/WarmPool.ts"
import {
  type Abandoned,
  type AbandonedSandbox,
  abandonedIn,
  abandonedNetworks,
  abandonedSandboxes,
} from "./abandoned.ts"
import { makeSnapshots, type Snapshots } from "./snapshots.ts"

type Engine = DockerEngine["Service"]

/** Milliseconds since the epoch by the engine's clock, which may differ from ours by minutes. */
const engineTime = (engine: Engine): Effect.Effect<number, HostError> =>
  Effect.flatMap(engine.info, ({ SystemTime }) =>
    SystemTime ? Effect.succeed(Date.parse(SystemTime)) : Clock.currentTimeMillis,
  )

/** The networks with a label of ours, and all containers of ours. */
const listNetworks = Effect.fnUntraced(function* (engine: Engine, filter: string) {
  const networks = yield* engine.networkList({ label: [filter], driver: ["bridge"] })
  const containers = yield* engine.containerList({ label: [label.version] })
  return { networks, containers, now: yield* engineTime(engine) }
})

/** Everything on an engine that no program can use any more, except sandboxes. */
export const findAbandoned = Effect.fnUntraced(function* (
  engine: Engine,
  olderThan: Duration.Duration,
  snapshots: Snapshots = makeSnapshots(engine),
): Effect.fn.Return<ReadonlyArray<Abandoned>, HostError> {
  const listed = yield* listNetworks(engine, label.version)
  const passingSnapshots = yield* snapshots.passing
  const ours = yield* Clock.currentTimeMillis
  return abandonedIn({ ...listed, passingSnapshots, ours }, olderThan)
})

/** The time when a container stopped, as far as the engine reports it; milliseconds since the epoch. */
const stoppedSince = (engine: Engine, instanceId: string) =>
  engine.containerInspect(instanceId).pipe(
    Effect.map(({ State: { Running, FinishedAt } }) =>
      Running || FinishedAt == null ? undefined : Date.parse(FinishedAt),
    ),
    // The container was just removed, or is condemned, and can't be inspected.
    Effect.orElseSucceed(() => undefined),
  )

/**
 * The sandboxes that a living program would have removed. Takes all sandboxes of an engine, oldest
 * first, as a driver's `list` returns them.
 */
export const findAbandonedSandboxes = Effect.fnUntraced(function* (
  engine: Engine,
  sandboxes: ReadonlyArray<SandboxInfo>,
): Effect.fn.Return<ReadonlyArray<AbandonedSandbox>, HostError> {
  const stopped = sandboxes.filter(({ status }) => status === "stopped")
  const times = yield* Effect.forEach(
    stopped,
    ({ instanceId }) =>
      Effect.map(stoppedSince(engine, instanceId), (since) => ({ instanceId, since })),
    { concurrency: 8 },
  )
  const stoppedAt = new Map(
    times.flatMap(({ instanceId, since }) =>
      since === undefined ? [] : [[instanceId, since] as const],
    ),
  )
  return abandonedSandboxes(sandboxes, stoppedAt, yield* engineTime(engine))
})

/** Removes the remains of programs that died. */
export const makeSweeper = (engine: Engine, snapshots: Snapshots) => {
  /** @returns whether the thing is gone */
  const remove = (abandoned: Abandoned): Effect.Effect<boolean, HostError> => {
    switch (abandoned.kind) {
      case "container":
        return Effect.as(removeAhead(engine, abandoned.name, abandoned.network), true)
      case "network":
        return removeNetwork(engine, abandoned.name).pipe(
          // It is in use after all, or already gone.
          Effect.catchIf(isEngineError("InUse", "NotFound", "Rejected"), () => Effect.void),
          Effect.as(true),
        )
      case "proxy":
        return Effect.as(removeProxy(engine, abandoned.network), true)
      case "snapshot":
        return snapshots.removeUnused(abandoned.snapshot)
    }
  }

  /** @returns the names of the removed things */
  const removeAll = (all: ReadonlyArray<Abandoned>) =>
    Effect.map(Effect.filter(all, remove), (removed) => removed.map(({ name }) => name))

  return {
    /** Removes the networks that aborted creations of a sandbox left. */
    networksOf: Effect.fnUntraced(function* (id: SandboxId, olderThan: Duration.Duration) {
      const listed = yield* listNetworks(engine, `${label.id}=${id}`)
      return yield* removeAll(abandonedNetworks(listed, olderThan))
    }),
    all: Effect.fn("DockerDriver.sweep")(function* (olderThan: Duration.Duration) {
      return yield* removeAll(yield* findAbandoned(engine, olderThan, snapshots))
    }),
  }
}
export type Sweeper = ReturnType<typeof makeSweeper>
