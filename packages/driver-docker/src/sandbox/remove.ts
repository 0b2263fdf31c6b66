import { type SandboxDriver, type SandboxId, type SandboxInfo, SandboxNotFound } from "@cordon/core"
import { Duration, Effect, Option, Schedule } from "effect"
import type { Connections } from "../container/connections.ts"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "../engine/failures.ts"
import { networkOf } from "../engine/podman.ts"
import type { ContainerSummary } from "../engine/schemas.ts"
import { isNetworkName } from "../names.ts"
import { removeNetwork } from "../network/networks.ts"
import type { Background } from "./background.ts"
import { type Lookup, listedSandbox } from "./lookup.ts"
import { undo } from "./makeContainer.ts"
import type { Snapshots } from "./snapshots.ts"
import { settled, thaw } from "./states.ts"
import type { Sweeper } from "./sweep.ts"

/** Removes sandboxes with their networks, and with the snapshot if the sandbox is a fork. */
export const makeRemove = (using: {
  readonly engine: DockerEngine["Service"]
  readonly connections: Connections
  readonly lookup: Lookup
  readonly snapshots: Snapshots
  readonly sweeper: Sweeper
  readonly background: Background
  readonly forget: (id: SandboxId) => Effect.Effect<void>
}): SandboxDriver["Service"]["remove"] => {
  const { engine, connections, lookup, snapshots, sweeper, background, forget } = using

  /** Waits until another removal in progress is done. */
  const untilGone = (instanceId: string) =>
    engine.containerInspect(instanceId).pipe(
      Effect.repeat(Schedule.spaced("50 millis")),
      Effect.timeoutOption("10 seconds"),
      Effect.catchReason("EngineError", "NotFound", () => Effect.void),
    )

  const removeContainer = (sandbox: SandboxInfo, container: ContainerSummary) => {
    const { id, instanceId } = sandbox
    const network = networkOf(container)
    return connections.ended(instanceId).pipe(
      Effect.andThen(thaw(engine, sandbox)),
      Effect.andThen(settled(id)(engine.containerRemove(instanceId))),
      Effect.andThen(snapshots.removeWith(sandbox, container)),
      Effect.catchIf(isEngineError("InProgress", "Conflict"), () => untilGone(instanceId)),
      // The caller does not wait for the network's removal: the sandbox's next network has another
      // name.
      Effect.andThen(
        isNetworkName(network)
          ? background(undo(`network ${network}`, removeNetwork(engine, network)))
          : Effect.void,
      ),
      Effect.uninterruptible,
    )
  }

  return Effect.fn("DockerDriver.remove")(function* (id, instanceId) {
    const missing = new SandboxNotFound({ sandbox: id })
    // Uses only the list: it includes condemned containers, which can't be inspected any more.
    const containers = yield* lookup.containersOf(id)
    const container =
      instanceId === undefined ? containers.at(-1) : containers.find(({ Id }) => Id === instanceId)
    if (container === undefined) {
      // Nobody is creating this sandbox now, so remains of an aborted creation are removed at any
      // age.
      if (containers.length === 0) yield* sweeper.networksOf(id, Duration.zero)
      return yield* missing
    }
    const sandbox = listedSandbox(container)
    if (Option.isNone(sandbox)) return yield* missing
    yield* forget(id)
    yield* removeContainer(sandbox.value, container)
  })
}
