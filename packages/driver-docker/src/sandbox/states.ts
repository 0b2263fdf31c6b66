import {
  EngineError,
  type HostError,
  type SandboxDriver,
  type SandboxId,
  type SandboxInfo,
  SandboxNotFound,
  SandboxNotRunning,
} from "@cordon/core"
import { Effect } from "effect"
import type { Connections } from "../container/connections.ts"
import type { Locator } from "../container/locator.ts"
import type { Target } from "../container/Target.ts"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "../engine/failures.ts"
import type { Egress } from "../network/egress.ts"
import type { Host } from "./host.ts"

/** The error for stopping a sandbox that would lose its files. */
export const losesFiles =
  "this host's gVisor loses a sandbox's files at a stop, so sandboxes are not stopped; remove it instead, or register runsc with --overlay2=none"

/** Maps the engine's "no such container" to `SandboxNotFound`, and "not modified" to success. */
export const settled =
  (id: SandboxId) =>
  (call: Effect.Effect<void, HostError>): Effect.Effect<void, SandboxNotFound | HostError> =>
    call.pipe(
      Effect.catchReason("EngineError", "NotModified", () => Effect.void),
      // A container can't start without its network.
      Effect.catchIf(isEngineError("NotFound", "NetworkNotFound"), () =>
        Effect.fail(new SandboxNotFound({ sandbox: id })),
      ),
    )

/**
 * Resumes a paused container so that it can be ended. Podman can't stop a paused container, gVisor
 * does not start one again, and Engine 20.10 kills it and then takes gVisor's dead process for a
 * zombie.
 */
export const thaw = (
  engine: DockerEngine["Service"],
  { instanceId, status }: SandboxInfo,
): Effect.Effect<void> =>
  status === "paused" ? Effect.ignore(engine.containerUnpause(instanceId)) : Effect.void

/** Starting, stopping, pausing and resuming. */
export const makeStates = (using: {
  readonly host: Host
  readonly connections: Connections
  readonly egress: Egress
  readonly locator: Locator<Target, unknown, SandboxNotFound | HostError>
  readonly find: (id: SandboxId) => Effect.Effect<SandboxInfo, SandboxNotFound | HostError>
}): Pick<SandboxDriver["Service"], "start" | "stop" | "pause" | "resume"> => {
  const { host, connections, egress, locator, find } = using
  const { engine, runtimes } = host

  const resumeContainer = (instanceId: string) =>
    Effect.andThen(engine.containerUnpause(instanceId), connections.resumed(instanceId))

  const startContainer = Effect.fnUntraced(function* (instanceId: string) {
    const container = yield* engine.containerInspect(instanceId)
    const runc = (yield* runtimes).get("runc")?.name
    yield* egress.restore(container, runc ?? container.HostConfig?.Runtime ?? "")
    if (container.State.Status === "paused") return yield* resumeContainer(instanceId)
    if (container.State.Running) return
    yield* connections.relaunch(instanceId)
  })

  /** Pauses or resumes. A refusal is ignored if the container already is in the wanted state. */
  const turn = (
    id: SandboxId,
    wanted: "paused" | "running",
    call: (instanceId: string) => Effect.Effect<void, HostError>,
  ) =>
    locator.on(id, (_, { instanceId }) =>
      settled(id)(call(instanceId)).pipe(
        Effect.catchIf(isEngineError("NotRunning", "Paused", "Conflict", "Failed"), (refusal) =>
          Effect.gen(function* () {
            const { status } = yield* find(id)
            if (status === wanted) return
            if (status === "paused" || status === "running") return yield* refusal
            return yield* new SandboxNotRunning({ sandbox: id, status })
          }),
        ),
      ),
    )

  return {
    start: Effect.fn("DockerDriver.start")((id) =>
      locator.on(id, (_, { instanceId }) => settled(id)(startContainer(instanceId))),
    ),
    stop: Effect.fn("DockerDriver.stop")(function* (id) {
      const sandbox = yield* find(id)
      const { instanceId, runtime, status } = sandbox
      const keepsFiles = (yield* runtimes).get(runtime)?.keepsFiles ?? true
      if (!keepsFiles && (status === "running" || status === "paused")) {
        return yield* EngineError.notDone("stop a sandbox", losesFiles)
      }
      yield* connections.ended(instanceId)
      yield* thaw(engine, sandbox)
      yield* settled(id)(engine.containerStop(instanceId))
    }),
    pause: Effect.fn("DockerDriver.pause")((id) => turn(id, "paused", connections.pause)),
    resume: Effect.fn("DockerDriver.resume")((id) => turn(id, "running", resumeContainer)),
  }
}
