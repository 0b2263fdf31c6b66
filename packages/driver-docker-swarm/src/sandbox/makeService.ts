import { randomBytes } from "node:crypto"
import {
  type CreateError,
  EngineError,
  type HostError,
  ImageUnusable,
  type SandboxId,
  type SandboxInfo,
  SandboxNameTaken,
  type SandboxSpec,
  type SessionKey,
} from "@cordon/core"
import {
  identityOf,
  label,
  labelsOf,
  type Range,
  type RegistryAuth,
} from "@cordon/driver-docker/sandbox"
import { Deferred, Effect, Option } from "effect"
import type { Manager } from "../manager/Manager.ts"
import type { Node, Task, WholeService } from "../manager/schemas.ts"
import { endpointOf } from "../NodeEngines.ts"
import { finishCreating, isBrokenOff, showCreating } from "./creating.ts"
import type { Finish } from "./finish.ts"
import type { At, Place } from "./lookup.ts"
import { createNetwork } from "./networks.ts"
import { awaitTask, isTakenBack } from "./placement.ts"
import type { makeRegistry } from "./registry.ts"
import type { Removal } from "./removal.ts"
import { attemptLabel, creating, serviceSpec, userLabel } from "./service.ts"
import { makeTaskLook } from "./tasks.ts"

export const newAttempt = (): string => randomBytes(8).toString("hex")

/** The specification of a new service, for a sandbox or for the warm pool. */
export interface Wanted {
  /** The service's name. */
  readonly id: SandboxId
  readonly spec: Omit<SandboxSpec, "name">
  /** The owner; absent for a service in the warm pool. */
  readonly session: SessionKey | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly attempt: string
  readonly registry: RegistryAuth
  /** The ID of the only node that may run it. */
  readonly node?: string | undefined
  /** Whether its image has our init, as snapshots do. */
  readonly hasInit: boolean
  /** As the managers listed them a moment ago. */
  readonly nodes: ReadonlyArray<Node>
  /** Given the name of the node that prepares it. */
  readonly onPreparing: (node: string) => Effect.Effect<void>
}

/** A service whose task runs and whose container is fully set up. */
export interface Running {
  readonly service: WholeService
  readonly place: Place
  readonly identity: ReturnType<typeof identityOf>
}

const removedMeanwhile = EngineError.notDone("create a sandbox", "it was removed")

// Milliseconds between lookups of the container, in case the engine's start event was missed.
const missed = 500
// The managers know the reason of a failed task within this time.
const verdict = "3 seconds"

/** The steps by which a service gets to run as a sandbox, or as one that is made ahead. */
export const makeCreation = (options: {
  readonly manager: Manager
  readonly at: At
  readonly pool: Range
  readonly images: ReturnType<typeof makeRegistry>
  readonly removal: Removal
  readonly finish: Finish["finish"]
}) => {
  const { manager, at, pool, images, removal, finish } = options
  const taskOf = makeTaskLook(manager)

  /** A task that ended at once: for lack of a shell, if its container has none. */
  const unusable = (service: string, image: string, error: EngineError) =>
    Effect.gen(function* () {
      if (error.operation !== "start a sandbox") return yield* error
      const [task] = yield* manager.taskList({ service: [service] })
      const node = (yield* manager.nodes).find(({ ID }) => ID === task?.NodeID)
      const container = task?.Status.ContainerStatus?.ContainerID
      if (node === undefined || !container) return yield* error
      const { engine } = yield* at(endpointOf(node))
      const shell = yield* engine.containerPathStat(container, "/bin/sh")
      if (Option.isSome(shell)) return yield* error
      return yield* new ImageUnusable({ image, reason: "it has no /bin/sh" })
    }).pipe(Effect.scoped)

  /** Waits on its node until the container of a creation runs, and finishes it there. */
  const finishOn = Effect.fnUntraced(function* (node: Node, service: string, wanted: Wanted) {
    const { id, spec, session, attempt, hasInit } = wanted
    const host = endpointOf(node)
    const engine = yield* at(host)
    const started = yield* engine.starts.watch(attempt)
    const look = Effect.map(
      engine.engine.containerList({ label: [`${attemptLabel}=${attempt}`] }),
      (found) => found.find(({ State }) => State === "running")?.Id,
    )
    const rest = Effect.raceFirst(started, Effect.sleep(missed))
    const instanceId = yield* look.pipe(
      Effect.tap((found) => (found === undefined ? rest : Effect.void)),
      Effect.repeat({ until: (found) => found !== undefined }),
    )
    const place: Place = { id, service, host, instanceId: instanceId ?? "" }
    const name = node.Description.Hostname
    const identity = yield* finish(engine, { place, spec, session, node: name, hasInit })
    const { user, workdir } = identity
    return { identity, place: { ...place, user: user || "0", cwd: workdir } }
  }, Effect.scoped)

  /** Brings a service's task to where it is of use: its node does its part while the managers do theirs. */
  const ready = Effect.fnUntraced(function* (service: string, wanted: Wanted) {
    const { spec, registry, nodes, onPreparing } = wanted
    const assigned = yield* Deferred.make<Node>()
    const ran = yield* Deferred.make<Task, CreateError>()
    let isPreparing = false
    const onNode = Effect.fnUntraced(function* (task: Task, id: string) {
      const isNew = !Deferred.isDoneUnsafe(assigned)
      const isFirst = task.Status.State === "preparing" && !isPreparing
      if (!isNew && !isFirst) return
      const its = ({ ID }: Node) => ID === id
      const node =
        nodes.find(its) ?? (yield* Effect.orElseSucceed(manager.nodes, () => [])).find(its)
      if (node === undefined) return
      yield* Deferred.succeed(assigned, node)
      if (!isFirst) return
      isPreparing = true
      yield* onPreparing(node.Description.Hostname)
    })
    const waiting = awaitTask(manager, taskOf(service), spec, onNode, removal.lastLeft).pipe(
      Effect.catchTag("EngineError", (error) => unusable(service, spec.image, error)),
      Effect.catchTag("ImageNotFound", () => images.explain(spec.image, registry)),
      Effect.onExit((exit) => Deferred.done(ran, exit)),
    )
    const finishing = Deferred.await(assigned).pipe(
      Effect.flatMap((node) =>
        Effect.all([finishOn(node, service, wanted), manager.serviceRead(service)], {
          concurrency: 2,
        }),
      ),
      // The node's error is a consequence of the container's end, and the managers know why it ended.
      Effect.catch((error) =>
        Effect.andThen(Effect.timeoutOption(Deferred.await(ran), verdict), Effect.fail(error)),
      ),
    )
    const [, [{ place, identity }, read]] = yield* Effect.all([waiting, finishing], {
      concurrency: 2,
    })
    const running: Running = { service: read, place, identity }
    return running
  })

  const request = (wanted: Wanted, network: string | undefined) => {
    const { id, spec, labels, attempt, node, registry, hasInit } = wanted
    const { workdir } = identityOf(spec, { Id: "" })
    const service = serviceSpec({
      id,
      spec,
      workdir,
      labels,
      attempt,
      network,
      node,
      hasInit,
    })
    // If interrupted, the request could arrive after the request that undoes it.
    return Effect.uninterruptible(manager.serviceCreate(service, registry.header))
  }

  /** Decides about a name that is in use. A service whose creation was aborted is removed. */
  const claim = Effect.fnUntraced(function* (
    { id, attempt }: Wanted,
    name: string,
    make: Effect.Effect<string, HostError>,
  ): Effect.fn.Return<string, HostError | SandboxNameTaken> {
    const taken = new SandboxNameTaken({ sandbox: name })
    const found = yield* Effect.option(manager.serviceInspect(id))
    if (Option.isSome(found)) {
      // It is ours: made by a call whose answer got lost.
      if (found.value.Spec.Labels?.[attemptLabel] === attempt) return found.value.ID
      if (!(yield* isBrokenOff(manager, found.value))) return yield* taken
      yield* removal.takeAway(found.value.ID)
    }
    return yield* Effect.catchReason(make, "EngineError", "NameTaken", () => Effect.fail(taken))
  })

  /**
   * Makes a service and all that belongs to it; where it fails, that is for the caller to undo.
   *
   * @param name of the sandbox, for an error
   */
  const run = (wanted: Wanted, name: string): Effect.Effect<Running, CreateError> => {
    const { id, spec, attempt } = wanted
    return Effect.gen(function* () {
      const network =
        spec.network === "none"
          ? undefined
          : yield* createNetwork(manager, pool, id, spec.network, attempt)
      const make = request(wanted, network)
      const once = Effect.gen(function* () {
        const service = yield* Effect.catchReason(make, "EngineError", "NameTaken", () =>
          claim(wanted, name, make),
        )
        return yield* Effect.raceFirst(ready(service, wanted), showCreating(manager, service)).pipe(
          Effect.tapError((error) =>
            isTakenBack(error) ? Effect.ignore(removal.takeAway(service)) : Effect.void,
          ),
        )
      })
      return yield* Effect.retry(once, { while: isTakenBack, times: 3 })
    })
  }

  /** Makes a sandbox of a session. */
  const create = Effect.fnUntraced(function* (request: {
    readonly id: SandboxId
    readonly session: SessionKey
    readonly spec: SandboxSpec
    readonly registry: RegistryAuth
    readonly node?: string | undefined
    readonly hasInit: boolean
    readonly nodes: ReadonlyArray<Node>
    readonly onPreparing: Wanted["onPreparing"]
  }): Effect.fn.Return<{ readonly sandbox: SandboxInfo; readonly place: Place }, CreateError> {
    const { id, session, spec } = request
    const attempt = newAttempt()
    // Only the node knows the image's settings. They are corrected there if this guess is wrong.
    const guess = identityOf(spec, { Id: "" })
    const labels = {
      ...labelsOf(id, session, spec, guess),
      [userLabel]: guess.user,
      [attemptLabel]: attempt,
      ...creating,
    }
    const made = run({ ...request, labels, attempt }, spec.name).pipe(
      Effect.flatMap((running) => {
        const { user, workdir } = running.identity
        const named = { [label.workdir]: workdir, [userLabel]: user }
        return finishCreating(manager, running.service, named).pipe(
          Effect.catchReason("EngineError", "NotFound", () => Effect.fail(removedMeanwhile)),
          Effect.as(running),
        )
      }),
      Effect.onError(() => removal.undo(id, attempt)),
    )
    const { service, place } = yield* made
    return { sandbox: sandboxOf(request, service, place), place }
  })

  return { run, create }
}
export type Creation = ReturnType<typeof makeCreation>

/** A sandbox that was just made. */
export const sandboxOf = (
  {
    id,
    session,
    spec,
  }: { readonly id: SandboxId; readonly session: SessionKey; readonly spec: SandboxSpec },
  service: Pick<WholeService, "ID" | "CreatedAt">,
  { cwd = "/" }: Place,
): SandboxInfo => {
  const { name, image, runtime, limits, network, lease, tags } = spec
  return {
    id,
    name,
    session,
    instanceId: service.ID,
    status: "running",
    image,
    runtime,
    limits,
    network,
    lease,
    workdir: cwd,
    createdAt: new Date(service.CreatedAt),
    busy: false,
    ...(tags === undefined ? {} : { tags }),
  }
}
