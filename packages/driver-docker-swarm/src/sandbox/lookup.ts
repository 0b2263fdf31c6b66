import {
  EngineUnreachable,
  type HostError,
  requireIncarnation,
  type SandboxId,
  type SandboxInfo,
  SandboxNotFound,
  SandboxNotRunning,
} from "@cordon/core"
import { infoOf, type Locator, type Target } from "@cordon/driver-docker/sandbox"
import { Effect, Option, type Scope } from "effect"
import type { Manager } from "../manager/Manager.ts"
import type { Node, Service, Task } from "../manager/schemas.ts"
import { endpointOf, type NodeEngine } from "../NodeEngines.ts"
import { statusOf } from "./placement.ts"
import { isCreating, madeLabel, runningServiceOf, stateLabel, userLabel } from "./service.ts"

/** The last known place of a sandbox. */
export interface Place extends Target {
  /** The ID of the service that has the sandbox's name. */
  readonly service: string
  /** The endpoint of its node's engine. */
  readonly host: string
}

/** Uses the engine of a node for as long as the scope lives. */
export type At = (host: string) => Effect.Effect<NodeEngine, HostError, Scope.Scope>

/** A service as a sandbox; none if its labels are not complete, whatever its name. */
export const toInfo = (
  service: Service,
  task: Task | undefined,
  node: Node | undefined,
): Option.Option<SandboxInfo> => {
  const labels = service.Spec.Labels ?? {}
  // A service of the warm pool had a task. If the task is gone, the sandbox is gone.
  const isGone = task === undefined && runningServiceOf(service) !== service.ID
  const status = isGone ? "stopped" : statusOf(task, node)
  const state = labels[stateLabel]
  return infoOf({
    instanceId: service.ID,
    image: service.Spec.TaskTemplate.ContainerSpec.Image,
    createdAt: new Date(labels[madeLabel] ?? service.CreatedAt),
    status: "created",
    labels,
  }).pipe(
    Option.filter(({ id }) => id === service.Spec.Name),
    Option.map((info) => ({
      ...info,
      status:
        status !== "running"
          ? status
          : isCreating(service)
            ? "created"
            : state === "stopped" || state === "paused"
              ? state
              : status,
    })),
  )
}

/** Reads a "no such service" as ours. */
export const settled =
  (id: SandboxId) =>
  <A>(call: Effect.Effect<A, HostError>): Effect.Effect<A, SandboxNotFound | HostError> =>
    Effect.catchReason(call, "EngineError", "NotFound", () =>
      Effect.fail(new SandboxNotFound({ sandbox: id })),
    )

/** The errors of locating a sandbox. */
export type LocateError = SandboxNotFound | SandboxNotRunning | HostError

/** The places of a swarm's sandboxes, as far as this program knows. */
export type SwarmLocator = Locator<Place, NodeEngine, LocateError>

/** Finds sandboxes by asking the managers. */
export const makeLookup = (manager: Manager) => {
  /** The task of a service. One that was made ahead may be gone while a sandbox still leads to it. */
  const taskOf = (id: SandboxId, service: Service) => {
    const running = runningServiceOf(service)
    const listed = manager.taskList({ service: [running] })
    const none: ReadonlyArray<Task> = []
    return Effect.map(
      running === service.ID
        ? settled(id)(listed)
        : Effect.catchReason(listed, "EngineError", "NotFound", () => Effect.succeed(none)),
      ([task]) => task,
    )
  }

  const look = Effect.fnUntraced(function* (id: SandboxId) {
    const service = yield* settled(id)(manager.serviceInspect(id))
    const [task, nodes] = yield* Effect.all([taskOf(id, service), manager.nodes], {
      concurrency: 2,
    })
    const node = nodes.find(({ ID }) => ID === task?.NodeID)
    const sandbox = toInfo(service, task, node)
    if (Option.isNone(sandbox)) return yield* new SandboxNotFound({ sandbox: id })
    const container = task?.Status.ContainerStatus?.ContainerID
    const place: Place | undefined =
      node === undefined || !container
        ? undefined
        : {
            id,
            service: service.ID,
            host: endpointOf(node),
            instanceId: container,
            user: service.Spec.Labels?.[userLabel] || "0",
            cwd: sandbox.value.workdir,
          }
    return { sandbox: sandbox.value, service, task, node, place }
  })

  /** Finds the place where a sandbox runs. */
  const find = Effect.fnUntraced(function* (id: SandboxId): Effect.fn.Return<Place, LocateError> {
    const { sandbox, place } = yield* look(id)
    const { status } = sandbox
    if (place !== undefined && status === "running") return place
    yield* requireIncarnation(sandbox)
    return yield* new SandboxNotRunning({ sandbox: id, status })
  })

  /** Replaces a refusal or silence of a node's engine by a more precise error from the managers. */
  const explain = <E>(id: SandboxId, error: E): Effect.Effect<never, E | LocateError> =>
    Effect.gen(function* () {
      const isUnreachable = error instanceof EngineUnreachable
      const isRefused = error instanceof SandboxNotFound || error instanceof SandboxNotRunning
      if (!isUnreachable && !isRefused) return yield* Effect.fail(error)
      const { sandbox, node } = yield* look(id).pipe(
        Effect.catchTag(["EngineUnreachable", "EngineError"], () => Effect.fail(error)),
      )
      if (isUnreachable && node !== undefined) {
        const lost = `node ${node.Description.Hostname} of the swarm is ${node.Status.State}`
        const reason = `${error.reason} (${lost}, and what ran there may be lost)`
        const { endpoint, delivered } = error
        return yield* new EngineUnreachable({
          endpoint,
          reason,
          ...(delivered === undefined ? {} : { delivered }),
        })
      }
      if (sandbox.status === "running") return yield* Effect.fail(error)
      return yield* new SandboxNotRunning({ sandbox: id, status: sandbox.status })
    })

  return { look, find, explain }
}
export type Lookup = ReturnType<typeof makeLookup>
