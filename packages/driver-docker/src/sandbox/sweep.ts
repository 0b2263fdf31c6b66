import type { HostError, SandboxId } from "@cordon/core"
import { Clock, type Duration, Effect } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "../engine/failures.ts"
import { label } from "../Labels.ts"
import { type Abandoned, abandonedIn, abandonedNetworks } from "./abandoned.ts"
import { removeNetwork, removeProxy } from "./network.ts"
import { makeSnapshots, type Snapshots } from "./snapshots.ts"
import { removeAhead } from "./WarmPool.ts"

type Engine = DockerEngine["Service"]

/** Milliseconds since the epoch by the engine's clock, which may be minutes away from ours. */
export const engineTime = (engine: Engine): Effect.Effect<number, HostError> =>
  Effect.flatMap(engine.info, ({ SystemTime }) =>
    SystemTime ? Effect.succeed(Date.parse(SystemTime)) : Clock.currentTimeMillis,
  )

/** The networks with a label of ours, and all containers of ours. */
const listNetworks = Effect.fnUntraced(function* (engine: Engine, filter: string) {
  const networks = yield* engine.networkList({ label: [filter], driver: ["bridge"] })
  const containers = yield* engine.containerList({ label: [label.version] })
  return { networks, containers, now: yield* engineTime(engine) }
})

/** What an engine has that no program can have a use for any more, but for sandboxes. */
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

/** Removes what programs left that ended in the middle of something. */
export const makeSweeper = (engine: Engine, snapshots: Snapshots) => {
  /** @returns whether it is gone */
  const remove = (abandoned: Abandoned): Effect.Effect<boolean, HostError> => {
    switch (abandoned.kind) {
      case "container":
        return Effect.as(removeAhead(engine, abandoned.name, abandoned.network), true)
      case "network":
        return removeNetwork(engine, abandoned.name).pipe(
          // In use after all, or already gone.
          Effect.catchIf(isEngineError(403, 404, 409), () => Effect.void),
          Effect.as(true),
        )
      case "proxy":
        return Effect.as(removeProxy(engine, abandoned.network), true)
      case "snapshot":
        return snapshots.removeUnused(abandoned.snapshot)
    }
  }

  /** @returns the names of what was removed */
  const removeAll = (all: ReadonlyArray<Abandoned>) =>
    Effect.map(Effect.filter(all, remove), (removed) => removed.map(({ name }) => name))

  return {
    /** Removes the networks that broken-off creations of a sandbox left. */
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
