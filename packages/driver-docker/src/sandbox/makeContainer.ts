import { randomBytes } from "node:crypto"
import {
  type CreateError,
  type EgressPolicy,
  EngineError,
  type HostError,
  RuntimeUnavailable,
  type SandboxId,
  type SandboxSpec,
} from "@cordon/core"
import { Clock, Deferred, Effect, Schedule } from "effect"
import type { Connections } from "../container/connections.ts"
import type { ContainerFiles } from "../container/files.ts"
import { removalSeconds } from "../container/removal.ts"
import { requireUserNumbers } from "../container/users.ts"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "../engine/failures.ts"
import type { ContainerInspect, ImageInspect } from "../engine/schemas.ts"
import { withDelivery } from "../init/errors.ts"
import { creationLabel } from "../Labels.ts"
import { networkName } from "../names.ts"
import { type Egress, egressLabel } from "../network/egress.ts"
import { createNetwork, removeNetwork } from "../network/networks.ts"
import type { Range } from "../network/subnets.ts"
import type { Ulimits } from "../Ulimits.ts"
import { containerSpec, identityOf } from "./containerSpec.ts"
import type { CpuSets } from "./cpuSets.ts"

type Engine = DockerEngine["Service"]

/** The specification of a new container, for a sandbox or for the warm pool. */
export interface Creation {
  /** The container's name. */
  readonly name: string
  /** The sandbox's ID, if known. */
  readonly id: SandboxId
  readonly spec: Omit<SandboxSpec, "name">
  /** The daemon's name of the runtime. */
  readonly runtime: string
  readonly image: ImageInspect
  /** The disk limit in bytes, if the engine is to enforce one. */
  readonly disk?: number | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly networkLabels: Readonly<Record<string, string>>
}

/** Not every engine can make a container for a network that does not exist yet. */
const needsNetwork = isEngineError("NetworkNotFound")

/** Identifies the container of one request. A later token is greater. */
const newToken = (now: number) =>
  `${now.toString(16).padStart(12, "0")}${randomBytes(8).toString("hex")}`

/** Undoes a step. If that fails, a later sweep cleans up. */
export const undo = (what: string, effect: Effect.Effect<void, HostError>): Effect.Effect<void> =>
  effect.pipe(
    Effect.catchReason("EngineError", "NotFound", () => Effect.void),
    Effect.catch((error) =>
      Effect.logWarning(`Could not undo ${what}; a sweep will`, { error: error.message }),
    ),
  )

/** An engine without CAP_SYS_RESOURCE may refuse its own default ulimits. */
const adviseOnUlimits = (error: HostError) =>
  isEngineError("UlimitsRefused")(error)
    ? new EngineError({
        ...error,
        detail: `${error.detail}. The engine's own limits are lower than these ulimits: set the driver's option ulimits, or CONTAINER_SANDBOX_ULIMITS, to the values in /proc/PID/limits of the engine's process, such as nofile=1024,nproc=4096`,
      })
    : error

/** Finds the container of a request whose answer got lost. The engine may still be making it. */
const findCreated = (engine: Engine, name: string, token: string, lost: EngineError) =>
  engine.containerInspect(name).pipe(
    Effect.retry({
      schedule: Schedule.max([Schedule.spaced("250 millis"), Schedule.recurs(20)]),
      while: isEngineError("NotFound"),
    }),
    Effect.mapError(() => lost),
    Effect.filterOrFail(
      ({ Config }) => Config.Labels?.[creationLabel] === token,
      () => lost,
    ),
    Effect.map(({ Id }) => Id),
  )

/** Makes and starts a container with its network. On failure, everything is undone. */
export const makeCreation = (options: {
  readonly engine: Engine
  readonly connections: Connections
  readonly files: Pick<ContainerFiles, "checkUser" | "ownWorkdir">
  readonly subnets: Range
  readonly egress: Egress
  /** The daemon's name of the proxies' runtime, if it is not the sandbox's own. */
  readonly proxyRuntime: Effect.Effect<string | undefined, HostError>
  /** A network that was made ahead, if any. */
  readonly networkAhead: (mode: SandboxSpec["network"]) => string | undefined
  readonly ulimits: Ulimits
  readonly cpuSets: CpuSets
  /** Whether the engine is Podman: see `docs/podman.md`. */
  readonly podman: Effect.Effect<boolean, HostError>
  readonly linkLocal: boolean | undefined
}) => {
  const { engine, connections, files, subnets, egress, proxyRuntime, networkAhead } = options
  const { ulimits, cpuSets, podman } = options

  const makeNetwork = (name: string, { spec, networkLabels }: Creation) =>
    createNetwork(engine, subnets, name, spec.network, networkLabels)

  /** The steps of a creation, on a network that exists already (`ahead`) or is made at the same time. */
  const make = (request: Creation, network: string | undefined, ahead: boolean) => {
    const { name, id, spec, runtime, labels, image, disk } = request
    const { workdir, root, user } = identityOf(spec, image)
    let made: string | undefined
    const takeAway = Effect.suspend(() =>
      (made === undefined
        ? Effect.void
        : undo(`container ${name}`, engine.containerRemove(made))
      ).pipe(
        Effect.andThen(
          network === undefined
            ? Effect.void
            : undo(`network ${network}`, removeNetwork(engine, network)),
        ),
      ),
    )
    return Effect.gen(function* () {
      const attached = yield* Deferred.make<void>()
      const connect =
        network === undefined || ahead
          ? Deferred.succeed(attached, undefined)
          : Effect.uninterruptible(makeNetwork(network, request)).pipe(
              Effect.andThen(Deferred.succeed(attached, undefined)),
            )
      const token = newToken(yield* Clock.currentTimeMillis)
      const container = containerSpec({
        spec,
        runtime,
        workdir,
        labels: { ...labels, [creationLabel]: token },
        network,
        disk,
        ulimits,
        cpuset: yield* cpuSets.choose(spec.limits.cpus),
        linkLocal: options.linkLocal,
      })
      const create = Effect.uninterruptible(
        Effect.tap(
          engine
            .containerCreate(name, container)
            .pipe(
              Effect.catchReason("EngineError", "OutcomeUnknown", (_, lost) =>
                findCreated(engine, name, token, lost),
              ),
            ),
          (instanceId) =>
            Effect.sync(() => {
              made = instanceId
            }),
        ),
      )
      const prepare = create.pipe(
        Effect.catchIf(needsNetwork, () => Effect.andThen(Deferred.await(attached), create)),
        Effect.tap((instanceId) => connections.putInit(instanceId, image)),
      )
      const [instanceId] = yield* Effect.all([prepare, connect], { concurrency: 2 })
      const inspect = engine.containerInspect(instanceId)
      const looked = spec.runtime === "runc" ? undefined : yield* inspect
      // Engines that only imitate Docker may accept a runtime's name and use another runtime.
      // Weaker isolation than requested is refused.
      if (looked !== undefined && looked.HostConfig?.Runtime !== runtime) {
        return yield* new RuntimeUnavailable({ runtime: spec.runtime, available: ["runc"] })
      }
      const start = Effect.uninterruptible(engine.containerStart(instanceId))
      const launch = Effect.mapError(
        connections.launch(instanceId, start, removalSeconds(spec)),
        adviseOnUlimits,
      )
      const [created] = yield* Effect.all(
        [looked === undefined ? inspect : Effect.succeed(looked), launch],
        { concurrency: 2 },
      )
      if (!root) {
        const target = { id, instanceId: created.Id, user }
        yield* files.checkUser(target)
        if (spec.workdir !== undefined)
          yield* Effect.ignore(files.ownWorkdir(target, workdir, user))
      }
      const State = { ...created.State, Status: "running", Running: true }
      return { ...created, State }
    }).pipe(
      Effect.onError(() => takeAway),
      // After the container was made, "never delivered" is no longer true for the whole creation.
      Effect.mapError((error) => (made === undefined ? error : withDelivery(error))),
    )
  }

  /** Like `make`, with a proxy as the only way out. Each step needs the result of the previous one. */
  const makeProxied = (request: Creation, policy: EgressPolicy) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const { spec, networkLabels } = request
        const network = networkName()
        const subnet = yield* createNetwork(engine, subnets, network, "proxied", networkLabels)
        return yield* restore(
          Effect.gen(function* () {
            const runtime = (yield* proxyRuntime) ?? request.runtime
            const proxy = yield* Effect.uninterruptible(
              egress.start(network, subnet, runtime, policy),
            )
            const env = { ...proxy, ...spec.env }
            const labels = { ...request.labels, ...egressLabel(network, policy) }
            return yield* make({ ...request, labels, spec: { ...spec, env } }, network, true)
          }),
        ).pipe(Effect.onError(() => undo(`network ${network}`, removeNetwork(engine, network))))
      }),
    )

  const makeOnNetwork = (request: Creation): Effect.Effect<ContainerInspect, CreateError> =>
    Effect.gen(function* () {
      const { network, egress } = request.spec
      if (egress !== undefined) return yield* makeProxied(request, egress)
      if (network === "none") return yield* make(request, undefined, false)
      // On Podman an internal network leads to the host, and the sandbox could reach nothing else.
      if (network === "internal" && (yield* podman)) {
        return yield* make(request, undefined, false)
      }
      const ahead = networkAhead(network)
      if (ahead === undefined) return yield* make(request, networkName(), false)
      return yield* make(request, ahead, true).pipe(
        // The network may have been swept while this process slept. Then a new one is made.
        Effect.catchIf(needsNetwork, () => make(request, networkName(), false)),
      )
    })

  return (request: Creation): Effect.Effect<ContainerInspect, CreateError> =>
    Effect.andThen(
      requireUserNumbers(identityOf(request.spec, request.image).user),
      // After a refusal, this sandbox and all later ones are made without pinning.
      Effect.catchIf(makeOnNetwork(request), cpuSets.refused, () => makeOnNetwork(request)),
    )
}
export type Create = ReturnType<typeof makeCreation>
