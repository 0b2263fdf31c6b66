import {
  EngineUnreachable,
  type ExecRequest,
  type FileError,
  type HostError,
  requireIncarnation,
  type SandboxId,
  type SandboxInfo,
  SandboxNotFound,
  SandboxNotRunning,
} from "@cordon/core"
import { type Deadline, deadlineOf, infoOf, type Target } from "@cordon/driver-docker/sandbox"
import { Effect, Option, type Scope, Stream } from "effect"
import type { Manager } from "../manager/Manager.ts"
import type { Node, Service, Task } from "../manager/schemas.ts"
import { endpointOf, type NodeEngine } from "../NodeEngines.ts"
import { isCreating } from "./creating.ts"
import { statusOf } from "./placement.ts"
import { madeLabel, runningServiceOf, stateLabel, userLabel } from "./service.ts"

/** Where a sandbox was last seen to run. */
export interface Place extends Target {
  /** The service that has its name. */
  readonly service: string
  /** The endpoint of its node's engine. */
  readonly host: string
}

/** Uses the engine of a node for as long as the scope lives. */
export type At = (host: string) => Effect.Effect<NodeEngine, HostError, Scope.Scope>

/** A service as a sandbox; none where it is not wholly ours, whatever its name. */
export const toInfo = (
  service: Service,
  task: Task | undefined,
  node: Node | undefined,
): Option.Option<SandboxInfo> => {
  const labels = service.Spec.Labels ?? {}
  // One that was made ahead had a task: where there is none any more, it is gone.
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

/** Finds sandboxes by their IDs, remembers where they run, and uses them there. */
export const makePlaces = (manager: Manager, at: At) => {
  const seen = new Map<SandboxId, Place>()
  const forget = (id: SandboxId) => Effect.sync(() => void seen.delete(id))
  const requireSame = ({ id, service }: Place) => requireIncarnation({ id, instanceId: service })

  const look = Effect.fnUntraced(function* (id: SandboxId) {
    const missing = new SandboxNotFound({ sandbox: id })
    const found = settled(id)
    const service = yield* found(manager.serviceInspect(id))
    const running = runningServiceOf(service)
    const listed = manager.taskList({ service: [running] })
    const none: ReadonlyArray<Task> = []
    const tasks =
      running === service.ID
        ? found(listed)
        : // It has the name all the same, until it is removed.
          Effect.catchReason(listed, "EngineError", "NotFound", () => Effect.succeed(none))
    const [[task], nodes] = yield* Effect.all([tasks, manager.nodes], { concurrency: 2 })
    const node = nodes.find(({ ID }) => ID === task?.NodeID)
    const sandbox = toInfo(service, task, node)
    const container = task?.Status.ContainerStatus?.ContainerID
    if (Option.isNone(sandbox)) return yield* missing
    const user = service.Spec.Labels?.[userLabel]
    const place: Place | undefined =
      node === undefined || !container
        ? undefined
        : {
            id,
            service: service.ID,
            host: endpointOf(node),
            instanceId: container,
            user: user || "0",
            cwd: sandbox.value.workdir,
          }
    return { sandbox: sandbox.value, service, task, node, place }
  })

  const locate = (
    id: SandboxId,
  ): Effect.Effect<Place, SandboxNotFound | SandboxNotRunning | HostError> =>
    Effect.suspend(() => {
      const known = seen.get(id)
      if (known !== undefined) return Effect.as(requireSame(known), known)
      return Effect.flatMap(look(id), ({ sandbox, place }) => {
        const { status } = sandbox
        if (place === undefined || status !== "running") {
          return Effect.andThen(
            requireIncarnation(sandbox),
            Effect.fail(new SandboxNotRunning({ sandbox: id, status })),
          )
        }
        seen.set(id, place)
        return Effect.as(requireSame(place), place)
      })
    })

  /** A refusal of the node's engine, in the words of the swarm, which knows more. */
  const explain = <E>(
    id: SandboxId,
    error: E,
  ): Effect.Effect<never, E | SandboxNotFound | SandboxNotRunning | HostError> =>
    Effect.gen(function* () {
      yield* forget(id)
      const unreachable = error instanceof EngineUnreachable
      if (
        !(unreachable || error instanceof SandboxNotFound || error instanceof SandboxNotRunning)
      ) {
        return yield* Effect.fail(error)
      }
      const { sandbox, node } = yield* look(id).pipe(
        Effect.catchTag(["EngineUnreachable", "EngineError"], () => Effect.fail(error)),
      )
      if (unreachable && node !== undefined) {
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

  /** Runs at the place of an ID, once more if the one that was known is gone. */
  const on = <A, E>(
    id: SandboxId,
    f: (node: NodeEngine, place: Place) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E | SandboxNotFound | SandboxNotRunning | HostError> =>
    Effect.suspend(() => {
      const known = seen.has(id)
      const once = Effect.flatMap(locate(id), (place) =>
        Effect.scoped(Effect.flatMap(at(place.host), (node) => f(node, place))),
      )
      return known
        ? Effect.catchIf(
            once,
            (error) => error instanceof SandboxNotFound,
            () => Effect.andThen(forget(id), once),
          )
        : once
    }).pipe(Effect.catch((error) => explain(id, error)))

  /** As `on`, with what lives for as long as the caller's scope. */
  const within = <A, E, R>(
    id: SandboxId,
    f: (node: NodeEngine, place: Place) => Effect.Effect<A, E, R>,
  ) =>
    Effect.gen(function* () {
      const place = yield* locate(id)
      const node = yield* at(place.host)
      return yield* f(node, place)
    }).pipe(Effect.catch((error) => explain(id, error)))

  const streamOn = <A, E>(
    id: SandboxId,
    f: (node: NodeEngine, place: Place) => Stream.Stream<A, E>,
  ) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const place = yield* locate(id)
        return f(yield* at(place.host), place)
      }),
    ).pipe(Stream.catch((error) => Stream.fromEffect(explain(id, error))))

  /** As `streamOn`, of a command: finding the sandbox is part of its time, and so is what is said of a failure. */
  const commandOn = <A, E>(
    id: SandboxId,
    request: Pick<ExecRequest, "timeout">,
    f: (node: NodeEngine, place: Place, deadline: Deadline) => Stream.Stream<A, E>,
  ) =>
    Stream.unwrap(
      Effect.map(deadlineOf(manager.endpoint, request), (deadline) => {
        const find = Effect.gen(function* () {
          const place = yield* locate(id)
          return { place, node: yield* at(place.host) }
        })
        const told = <E>(error: E) =>
          explain(id, error).pipe(
            Effect.timeoutOrElse({
              duration: deadline.rest() ?? "1 minute",
              orElse: () => Effect.fail(error),
            }),
          )
        return Stream.unwrap(
          Effect.map(seen.has(id) ? find : deadline.before(find), ({ place, node }) =>
            f(node, place, deadline),
          ),
        ).pipe(Stream.catch((error) => Stream.fromEffect(told(error))))
      }),
    )

  /** Not twice: what feeds it may be read but once. */
  const once = <A, E>(
    id: SandboxId,
    f: (node: NodeEngine, place: Place) => Effect.Effect<A, E | FileError>,
  ): Effect.Effect<A, E | FileError> =>
    Effect.flatMap(locate(id), (place) =>
      Effect.flatMap(at(place.host), (node) => f(node, place)),
    ).pipe(
      Effect.scoped,
      Effect.onError(() => forget(id)),
    )

  return {
    look,
    on,
    within,
    streamOn,
    commandOn,
    once,
    explain,
    forget,
    /** A sandbox of this program that runs there: its first use costs no look. */
    remember: (place: Place) => void seen.set(place.id, place),
  }
}
export type Places = ReturnType<typeof makePlaces>
