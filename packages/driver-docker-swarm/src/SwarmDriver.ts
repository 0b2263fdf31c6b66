import { randomBytes } from "node:crypto"
import {
  type CreateError,
  type DriverCapabilities,
  EngineError,
  EngineUnreachable,
  type FileError,
  FilePath,
  type HostError,
  handOver,
  hasTags,
  ImageNotFound,
  ImageUnusable,
  isolationOf,
  Runtime,
  RuntimeUnavailable,
  requireIncarnation,
  SandboxDriver,
  SandboxEvent,
  SandboxId,
  type SandboxInfo,
  SandboxNameTaken,
  SandboxNotFound,
  SandboxNotRunning,
  type SandboxSpec,
  type SandboxStatus,
  type SessionKey,
  Unsupported,
  unsupportedFeatures,
} from "@cordon/core"
import { enforcedBy, type schemas } from "@cordon/driver-docker/engine"
import {
  defaultPids,
  defaultRuntimeNames,
  identityOf,
  infoOf,
  isEngineError,
  isForeign,
  label,
  labelsOf,
  makeBackground,
  parsePool,
  type RegistryAuth,
  removalSeconds,
  type Target,
  tagFilter,
} from "@cordon/driver-docker/sandbox"
import type { ConnectionOptions } from "@cordon/driver-docker-remote"
import { Duration, Effect, Exit, Option, RcMap, Schema, Stream } from "effect"
import type { Manager } from "./manager/Manager.ts"
import { Container, type Node, type Service, type Task } from "./manager/schemas.ts"
import { endpointOf, makeNodeEngines, type NodeEngine } from "./NodeEngines.ts"
import {
  creating,
  finishCreating,
  isBrokenOff,
  isCreating,
  showCreating,
} from "./sandbox/creating.ts"
import { guardNodes, sweepGuards } from "./sandbox/guard.ts"
import { createNetwork } from "./sandbox/network.ts"
import { awaitTask, isTakenBack, nodesFor, statusOf } from "./sandbox/placement.ts"
import { makeRegistry } from "./sandbox/registry.ts"
import { makeRemoval } from "./sandbox/removal.ts"
import { attemptLabel, nodeRuntime, serviceSpec, stateLabel, userLabel } from "./sandbox/service.ts"

export interface SwarmDriverOptions {
  readonly connection: Omit<ConnectionOptions, "host">
  readonly subnetPool: string
  readonly runtimeNames: Partial<Record<Runtime, string>>
  readonly hostId: string | undefined
  /** Whether sandboxes with a way out reach the nodes' own addresses. */
  readonly nodesReachable: boolean
  /** Whether they reach link-local addresses. */
  readonly linkLocal: boolean
}

/** Where a sandbox was last seen to run. */
interface Place extends Target {
  readonly service: string
  /** The endpoint of its node's engine. */
  readonly host: string
}

const isRuntime = Schema.is(Runtime)
const decodeId = Schema.decodeUnknownOption(SandboxId)
const none = Effect.void

/** Whether gVisor sends by itself, past the rules of the kernel's network that we set. */
const hasOwnStack = (
  runtimes: schemas.EngineInfo["Runtimes"],
  names: ReadonlyArray<string>,
): boolean =>
  names.some((name) => {
    const found = runtimes?.[name]
    return found !== undefined && !found.runtimeArgs?.includes("--network=host")
  })

const removedMeanwhile = new EngineError({
  operation: "create a sandbox",
  status: 0,
  detail: "it was removed",
  ours: true,
})

/** Sandboxes as services of a swarm, which places them; used through the engine of their node. */
export const makeSwarmDriver = Effect.fnUntraced(function* (
  manager: Manager,
  options: SwarmDriverOptions,
) {
  const pool = yield* parsePool(options.subnetPool)
  const engines = yield* makeNodeEngines(options.connection)
  const images = makeRegistry(manager)
  /** Uses the engine of a place for as long as the scope lives. */
  const at = (host: string) => RcMap.get(engines, host)
  const removal = makeRemoval(manager, at, yield* makeBackground)
  const driver = "docker-swarm"

  /** A service as a sandbox; none where it is not wholly ours, whatever its name. */
  const toInfo = (
    service: Service,
    task: Task | undefined,
    node: Node | undefined,
  ): Option.Option<SandboxInfo> => {
    const labels = service.Spec.Labels ?? {}
    const status = statusOf(task, node)
    const state = labels[stateLabel]
    return infoOf({
      instanceId: service.ID,
      image: service.Spec.TaskTemplate.ContainerSpec.Image,
      createdAt: new Date(service.CreatedAt),
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
  const settled =
    (id: SandboxId) =>
    <A>(call: Effect.Effect<A, HostError>): Effect.Effect<A, SandboxNotFound | HostError> =>
      Effect.catchIf(call, isEngineError(404), () =>
        Effect.fail(new SandboxNotFound({ sandbox: id })),
      )

  const look = Effect.fnUntraced(function* (id: SandboxId) {
    const missing = new SandboxNotFound({ sandbox: id })
    const found = settled(id)
    const service = yield* found(manager.serviceInspect(id))
    const [[task], nodes] = yield* Effect.all(
      [found(manager.taskList({ service: [service.ID] })), manager.nodes],
      { concurrency: 2 },
    )
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

  const seen = new Map<SandboxId, Place>()
  const forget = (id: SandboxId) => Effect.sync(() => void seen.delete(id))
  const requireSame = ({ id, service }: Place) => requireIncarnation({ id, instanceId: service })

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
        return yield* new EngineUnreachable({ endpoint: error.endpoint, reason })
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

  const streamOn = <A, E>(
    id: SandboxId,
    f: (node: NodeEngine, place: Place) => Stream.Stream<A, E>,
  ) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const place = yield* locate(id)
        const node = yield* at(place.host)
        return f(node, place)
      }),
    ).pipe(Stream.catch((error) => Stream.fromEffect(explain(id, error))))

  const runtimesOf = (nodes: ReadonlyArray<Node>): ReadonlyArray<Runtime> =>
    Runtime.literals.filter((runtime) => nodesFor(nodes, runtime).length > 0)

  const namesOf = (runtime: Runtime): ReadonlyArray<string> => {
    const own = options.runtimeNames[runtime]
    return own === undefined ? defaultRuntimeNames[runtime] : [own]
  }

  // Whether new privileges are refused, by the endpoint of the node: the engine does not say.
  const hardened = new Map<string, boolean>()
  const checkHardened = Effect.fnUntraced(function* (node: NodeEngine, place: Place) {
    if (hardened.has(place.host)) return
    const root = { ...place, user: "0" }
    const status = yield* node.files
      .readFile(root, FilePath.make("/proc/1/status"))
      .pipe(Stream.decodeText, Stream.mkString)
    // gVisor does not say, and gives no privileges of the host to anybody.
    const is = !/^NoNewPrivs:\s*0$/m.test(status)
    hardened.set(place.host, is)
    if (!is) {
      yield* Effect.logWarning(
        `The engine at ${place.host} lets programs gain privileges; set "no-new-privileges": true in its daemon.json`,
      )
    }
  })

  // Asked once: it can't be changed.
  const overlayPort = yield* Effect.cachedWithTTL(
    Effect.map(manager.swarm, ({ DataPathPort }) => DataPathPort ?? undefined),
    (exit) => (Exit.isSuccess(exit) ? Duration.infinity : 0),
  )

  // Milliseconds after which the container that closes it is one that was left.
  const guarding = 60_000
  // Nodes on which a way out leads to the swarm itself, by their endpoints.
  const open = new Set<string>()

  /** Closes the way from a sandbox to the swarm that runs it. */
  const guard = Effect.fnUntraced(
    function* (node: NodeEngine, { instanceId, host }: Place, image: schemas.ImageInspect) {
      yield* guardNodes(node, instanceId, image, {
        port: yield* overlayPort,
        linkLocal: options.linkLocal,
        nodes: options.nodesReachable ? [] : yield* manager.nodes,
      })
      open.delete(host)
    },
    (closing, _node, { host }) =>
      Effect.catchTag(closing, "EngineError", (error) => {
        if (open.has(host)) return none
        open.add(host)
        return Effect.logWarning(
          `Sandboxes at ${host} reach the swarm's own ports; filter them as docs/swarm.md says`,
          { error: error.message },
        )
      }),
  )

  /** What services have no words for, done before anybody uses the sandbox. */
  const finish = Effect.fnUntraced(function* (
    node: NodeEngine,
    place: Place,
    session: SessionKey,
    spec: SandboxSpec,
    name: string,
  ) {
    const path = `/containers/${place.instanceId}`
    const container = yield* node.http.ask(
      { operation: "inspect a container", method: "GET", path: `${path}/json` },
      Container,
    )
    if (!namesOf(spec.runtime).includes(container.HostConfig.Runtime)) {
      yield* Effect.logError(
        `Node ${name} is labelled ${nodeRuntime}=${spec.runtime}, but its engine runs ${container.HostConfig.Runtime}`,
      )
      return yield* new RuntimeUnavailable({ runtime: spec.runtime, available: [] })
    }
    if (spec.network === "none") {
      for (const network of Object.keys(container.NetworkSettings.Networks ?? {})) {
        yield* node.http.run({
          operation: "leave a network",
          method: "POST",
          path: `/networks/${encodeURIComponent(network)}/disconnect`,
          body: { Container: place.instanceId, Force: true },
        })
      }
    }
    const { memory } = spec.limits
    yield* node.http
      .run({
        operation: "limit swap",
        method: "POST",
        path: `${path}/update`,
        body: { Memory: memory, MemorySwap: memory },
        idempotent: true,
      })
      .pipe(
        Effect.catchTag("EngineError", (error) =>
          Effect.logWarning(`Swap is not limited on node ${name}`, { error: error.message }),
        ),
      )
    const image = yield* node.engine.imageInspect(container.Image)
    // Another session's snapshot on that node does not exist to this one.
    if (isForeign(image, session)) return yield* new ImageNotFound({ image: spec.image })
    const removal = removalSeconds(spec)
    yield* Effect.all(
      [
        node.connections.awaken(place.instanceId, image, removal),
        spec.network === "bridge" ? guard(node, place, image) : none,
      ],
      { concurrency: 2, discard: true },
    )
    yield* Effect.ignore(checkHardened(node, place))
    const identity = identityOf(spec, image)
    if (!identity.root) {
      // The init runs as root, so that nothing has looked for the user yet.
      yield* node.files.checkUser({ ...place, user: identity.user })
      if (spec.workdir !== undefined) {
        yield* Effect.ignore(node.files.ownWorkdir(place, identity.workdir, identity.user))
      }
    }
    return identity
  })

  const makeService = Effect.fnUntraced(function* (request: {
    readonly id: SandboxId
    readonly session: SessionKey
    readonly spec: SandboxSpec
    readonly onPreparing: (node: string) => Effect.Effect<void>
    readonly attempt: string
    /** The name of its network. */
    readonly network: string | undefined
    readonly registry: RegistryAuth
  }): Effect.fn.Return<SandboxInfo, CreateError> {
    const { id, session, spec, onPreparing, attempt, network, registry } = request
    // What the image says is known on the node only; it is set right there where this is not it.
    const guess = identityOf(spec, { Id: "" })
    const labels = {
      ...labelsOf(id, session, spec, guess),
      [userLabel]: guess.user,
      [attemptLabel]: attempt,
      ...creating,
    }
    const { workdir } = guess
    // Broken off, it could come after what undoes it.
    const make = Effect.uninterruptible(
      manager.serviceCreate(
        serviceSpec({ id, spec, workdir, labels, attempt, network }),
        registry.header,
      ),
    )
    const service = yield* make.pipe(
      Effect.catchIf(isEngineError(409), () => claim(id, spec, attempt, make)),
    )
    const ready = Effect.gen(function* () {
      const task = yield* awaitTask(manager, service, spec, onPreparing, removal.lastLeft).pipe(
        Effect.catchTag("EngineError", (error) => unusable(service, spec, error)),
        Effect.catchTag("ImageNotFound", () => images.explain(spec.image, registry)),
      )
      const { sandbox, place, node } = yield* Effect.mapError(look(id), (error) =>
        error instanceof SandboxNotFound ? removedMeanwhile : error,
      )
      if (place === undefined) {
        const detail = `its task ${task.ID} is lost`
        return yield* new EngineError({ operation: "create a sandbox", status: 0, detail })
      }
      const engine = yield* at(place.host)
      const name = node?.Description.Hostname ?? place.host
      return { sandbox, place, identity: yield* finish(engine, place, session, spec, name) }
    }).pipe(
      Effect.scoped,
      Effect.tapError((error) =>
        isTakenBack(error) ? Effect.ignore(removal.takeAway(service)) : none,
      ),
    )
    const { sandbox, place, identity } = yield* Effect.raceFirst(
      ready,
      showCreating(manager, service),
    )
    const { user } = identity
    yield* finishCreating(manager, service, {
      [label.workdir]: identity.workdir,
      [userLabel]: user,
    }).pipe(Effect.catchIf(isEngineError(404), () => Effect.fail(removedMeanwhile)))
    seen.set(id, { ...place, user: user || "0", cwd: identity.workdir })
    return { ...sandbox, workdir: identity.workdir, status: "running" as const, busy: false }
  })

  /** Decides about a name that a service has. One whose creation was broken off gives way. */
  const claim = Effect.fnUntraced(function* (
    id: SandboxId,
    spec: SandboxSpec,
    attempt: string,
    make: Effect.Effect<string, HostError>,
  ): Effect.fn.Return<string, HostError | SandboxNameTaken> {
    const taken = new SandboxNameTaken({ sandbox: spec.name })
    const found = yield* Effect.option(manager.serviceInspect(id))
    if (Option.isSome(found)) {
      // Ours, made by a call whose answer got lost.
      if (found.value.Spec.Labels?.[attemptLabel] === attempt) return found.value.ID
      if (!(yield* isBrokenOff(manager, found.value))) return yield* taken
      yield* removal.takeAway(found.value.ID)
    }
    return yield* Effect.catchIf(make, isEngineError(409), () => Effect.fail(taken))
  })

  /** A task that ended at once: for lack of a shell, if its container has none. */
  const unusable = (service: string, spec: SandboxSpec, error: EngineError) =>
    Effect.gen(function* () {
      if (error.operation !== "start a sandbox") return yield* error
      const [task] = yield* manager.taskList({ service: [service] })
      const node = (yield* manager.nodes).find(({ ID }) => ID === task?.NodeID)
      const container = task?.Status.ContainerStatus?.ContainerID
      if (node === undefined || !container) return yield* error
      const { engine } = yield* at(endpointOf(node))
      const shell = yield* engine.containerPathStat(container, "/bin/sh")
      if (Option.isSome(shell)) return yield* error
      return yield* new ImageUnusable({ image: spec.image, reason: "it has no /bin/sh" })
    }).pipe(Effect.scoped)

  const create: SandboxDriver["Service"]["create"] = Effect.fn("SwarmDriver.create")(function* (
    { id, session, spec, access },
    onProgress = () => none,
  ) {
    yield* Effect.annotateCurrentSpan({ "sandbox.id": id })
    if (spec.egress !== undefined) {
      return yield* new Unsupported({ feature: "egress", driver })
    }
    const nodes = yield* manager.nodes
    const available = runtimesOf(nodes)
    if (!available.includes(spec.runtime)) {
      return yield* new RuntimeUnavailable({ runtime: spec.runtime, available })
    }
    const onPreparing = (node: string) => {
      const name = nodes.find(({ ID }) => ID === node)?.Description.Hostname ?? node
      return onProgress({ image: spec.image, status: `Preparing on node ${name}` })
    }
    const attempt = randomBytes(8).toString("hex")
    // Of the same program, just before, while the managers were away.
    yield* removal.undone(id)
    return yield* handOver(
      (restore) =>
        restore(
          Effect.gen(function* () {
            const registry = yield* images.open(spec.image, access)
            const network =
              spec.network === "none"
                ? undefined
                : yield* createNetwork(manager, pool, id, spec.network, attempt)
            const make = makeService({
              id,
              session,
              spec,
              onPreparing,
              attempt,
              network,
              registry,
            })
            return yield* Effect.retry(make, { while: isTakenBack, times: 3 })
          }),
        ).pipe(Effect.onError(() => removal.undo(id, attempt))),
      (made) => Effect.ignore(remove(made.id, made.instanceId)),
    )
  })

  const ended = (name: string | undefined, task: Task | undefined) =>
    new EngineError({
      operation: "start a sandbox",
      status: 0,
      detail: `its task on node ${name ?? "unknown"} has ended (${task?.Status.Err || task?.Status.Message || "its node was drained or lost"}), and a swarm starts no task again; remove the sandbox and create it anew`,
    })

  /** Acts on the processes of a sandbox whose task runs, whatever was done to them before. */
  const turn = <E>(
    id: SandboxId,
    act: (
      node: NodeEngine,
      container: string,
      status: SandboxStatus,
    ) => Effect.Effect<"stopped" | "paused" | undefined, E | HostError>,
    refuse: (
      status: SandboxStatus,
      name: string | undefined,
      task: Task | undefined,
    ) => Effect.Effect<void, E>,
  ) =>
    Effect.gen(function* () {
      yield* forget(id)
      const { sandbox, place, task, node } = yield* look(id)
      yield* requireIncarnation(sandbox)
      if (place === undefined || node === undefined || statusOf(task, node) !== "running") {
        return yield* refuse(sandbox.status, node?.Description.Hostname, task)
      }
      const state = yield* Effect.flatMap(at(place.host), (engine) =>
        act(engine, place.instanceId, sandbox.status),
      )
      const wanted = state ?? "running"
      if (wanted !== sandbox.status) {
        yield* settled(id)(manager.serviceLabel(place.service, { [stateLabel]: state }))
      }
      yield* forget(id)
    }).pipe(Effect.scoped, Effect.uninterruptible)

  const start: SandboxDriver["Service"]["start"] = Effect.fn("SwarmDriver.start")((id) =>
    turn(
      id,
      ({ processes }, container, status) =>
        Effect.as(
          (status === "stopped" ? processes.restart : processes.thaw)(container),
          undefined,
        ),
      (_, name, task) => Effect.fail(ended(name, task)),
    ),
  )

  const stop: SandboxDriver["Service"]["stop"] = Effect.fn("SwarmDriver.stop")((id) =>
    turn(
      id,
      (node, container, status) =>
        Effect.as(status === "stopped" ? none : node.processes.stop(container), "stopped" as const),
      () => none,
    ),
  )

  const frozen = (id: SandboxId, wanted: "paused" | undefined) =>
    turn<SandboxNotRunning>(
      id,
      (node, container, status) =>
        Effect.gen(function* () {
          if (status === "stopped") return yield* new SandboxNotRunning({ sandbox: id, status })
          const { freeze, thaw } = node.processes
          yield* wanted === "paused" ? freeze(container) : thaw(container)
          return wanted
        }),
      (status) => Effect.fail(new SandboxNotRunning({ sandbox: id, status })),
    )

  const remove: SandboxDriver["Service"]["remove"] = Effect.fn("SwarmDriver.remove")(
    function* (id, instanceId) {
      yield* forget(id)
      const { sandbox, service } = yield* look(id).pipe(
        // Whoever removes what is not there finishes what was broken off.
        Effect.tapErrorTag("SandboxNotFound", () => removal.sweep(Duration.zero, id)),
      )
      if (instanceId !== undefined && sandbox.instanceId !== instanceId) {
        return yield* new SandboxNotFound({ sandbox: id })
      }
      yield* settled(id)(removal.dismiss(service, sandbox.network !== "none"))
    },
  )

  const inspect: SandboxDriver["Service"]["inspect"] = Effect.fn("SwarmDriver.inspect")(
    function* (id) {
      const { sandbox, service, place } = yield* look(id)
      if (isCreating(service)) return yield* new SandboxNotFound({ sandbox: id })
      if (place === undefined || sandbox.status !== "running") return sandbox
      const usage = yield* Effect.flatMap(at(place.host), ({ usageOf }) =>
        usageOf(place.instanceId),
      ).pipe(
        Effect.scoped,
        Effect.orElseSucceed(() => ({})),
      )
      return { ...sandbox, ...usage }
    },
  )

  const list: SandboxDriver["Service"]["list"] = Effect.fn("SwarmDriver.list")(
    function* (session, tags) {
      const filter = session === undefined ? label.session : `${label.session}=${session}`
      const tag = tagFilter(tags)
      const [services, tasks, nodes] = yield* Effect.all(
        [
          manager.serviceList({ label: [filter, ...(tag === undefined ? [] : [tag])] }),
          manager.taskList({ label: [label.id] }),
          manager.nodes,
        ],
        { concurrency: "unbounded" },
      )
      const taskOf = new Map(tasks.map((task) => [task.ServiceID, task]))
      const nodeOf = new Map(nodes.map((node) => [node.ID, node]))
      return services
        .filter((service) => !isCreating(service))
        .flatMap((service) => {
          const task = taskOf.get(service.ID)
          return Option.toArray(toInfo(service, task, nodeOf.get(task?.NodeID ?? "")))
        })
        .filter((sandbox) => hasTags(sandbox, tags))
        .sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime())
    },
  )

  /** The engines of all nodes that take sandboxes and can be reached. */
  const reachable = Effect.fnUntraced(function* (nodes: ReadonlyArray<Node>) {
    const able = nodes.filter(
      (node) => isRuntime(node.Spec.Labels?.[nodeRuntime]) && node.Status.State === "ready",
    )
    return yield* Effect.forEach(
      able,
      (node) =>
        Effect.map(at(endpointOf(node)), (engine) => ({ node, host: endpointOf(node), ...engine })),
      { concurrency: 8 },
    )
  })

  const capabilities = Effect.gen(function* () {
    const [swarm, version, nodes] = yield* Effect.all(
      [manager.swarm, manager.version, manager.nodes],
      { concurrency: "unbounded" },
    )
    const engines = yield* reachable(nodes)
    const infos = yield* Effect.forEach(
      engines,
      ({ engine, node, host }) =>
        Effect.map(Effect.option(engine.info), (info) => ({ info, node, host })),
      { concurrency: 8 },
    )
    const answered = infos.flatMap(({ info }) => Option.toArray(Option.map(info, enforcedBy)))
    const enforced = {
      memory: answered.every(({ memory }) => memory),
      cpus: answered.every(({ cpus }) => cpus),
      pids: answered.every(({ pids }) => pids),
      disk: false,
    }
    const silent = infos.filter(({ info }) => Option.isNone(info))
    const unguarded = infos.filter(
      ({ host, node, info }) =>
        open.has(host) ||
        (node.Spec.Labels?.[nodeRuntime] === "gvisor" &&
          Option.exists(info, ({ Runtimes }) => hasOwnStack(Runtimes, namesOf("gvisor")))),
    )
    const soft = infos.filter(({ host }) => hardened.get(host) === false)
    const hostnames = (of: typeof infos) =>
      of.map(({ node }) => node.Description.Hostname).join(", ")
    const largest = (of: (node: Node) => number | null | undefined) =>
      Math.max(0, ...engines.map(({ node }) => of(node) ?? 0))
    const memory = largest(({ Description }) => Description.Resources.MemoryBytes)
    const cpus = largest(({ Description }) => Description.Resources.NanoCPUs) / 1e9
    const capabilities: DriverCapabilities = {
      driver,
      hostId: options.hostId ?? swarm.ID,
      host: `Docker swarm of ${nodes.length} nodes, ${engines.length} of them ready for sandboxes (Engine ${version.Version}, API ${version.ApiVersion}), managed at ${manager.endpoint}`,
      runtimes: runtimesOf(nodes).map((runtime) => ({
        runtime,
        isolation: isolationOf(runtime),
        // A stopped one is frozen, not gone.
        keepsFiles: true,
      })),
      enforced,
      capacity: engines.length === 0 ? {} : { memory, cpus, pids: defaultPids({ memory, cpus }) },
      features: ["processes", "ports", "pause", "terminals", "stats", "git"],
      caveats: [
        "runc and sysbox-runc share the host's kernel: a hole in it is a way out.",
        "Who may inspect the swarm can read the environment variables of every sandbox.",
        "A sandbox ends, with its files, when its node is lost or drained or when its first process ends; it is then listed as stopped and can only be removed.",
        "A stopped sandbox keeps its place: what it reserved of its node's memory and CPU is free again when it is removed.",
        "Traffic between nodes is not encrypted; a sandbox has a network of its own, and no peer in it.",
        ...(unguarded.length === 0
          ? []
          : [
              `Sandboxes on ${hostnames(unguarded)} with the network bridge can send forged packets into the networks of others, and reach the nodes' own ports: filter what comes from docker_gwbridge there.`,
            ]),
        "Disk space is not limited.",
        ...(soft.length === 0
          ? []
          : [
              `Programs may gain privileges on ${hostnames(soft)}: set "no-new-privileges": true in daemon.json there.`,
            ]),
        ...(silent.length === 0
          ? []
          : [`The engines of ${hostnames(silent)} do not answer: sandboxes there can't be used.`]),
        ...Object.entries(enforced)
          .filter(([limit, is]) => !is && limit !== "disk")
          .map(([limit]) => `Not every node enforces the limit of ${limit}.`),
      ],
    }
    return capabilities
  }).pipe(Effect.scoped)

  // Services come and go by the managers' word, what happens in between by that of the nodes.
  const events: SandboxDriver["Service"]["events"] = Stream.unwrap(
    Effect.gen(function* () {
      const engines = yield* reachable(yield* manager.nodes)
      const ofNodes = engines.map(({ hub }) =>
        hub.events.pipe(
          Stream.filter((event) => event._tag !== "Created" && event._tag !== "Removed"),
        ),
      )
      const ofSwarm = manager.events.pipe(
        Stream.flatMap((event): Stream.Stream<SandboxEvent, HostError> => {
          if (event.Type === "node") {
            // Another set of nodes to watch: whoever listens begins anew.
            return event.Action === "create" || event.Action === "remove"
              ? Stream.fail(
                  new EngineError({
                    operation: "watch events",
                    status: 0,
                    detail: "the swarm's nodes changed",
                    ours: true,
                  }),
                )
              : Stream.empty
          }
          const id = Option.getOrUndefined(decodeId(event.Actor.Attributes?.["name"]))
          if (id === undefined) return Stream.empty
          if (event.Action === "create") return Stream.succeed(SandboxEvent.Created({ id }))
          if (event.Action === "remove") return Stream.succeed(SandboxEvent.Removed({ id }))
          return Stream.empty
        }),
      )
      return Stream.mergeAll([ofSwarm, ...ofNodes], { concurrency: "unbounded" })
    }),
  )

  const file = <A, E>(
    id: SandboxId,
    f: (node: NodeEngine, place: Place) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E | FileError> => on(id, f)

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

  return SandboxDriver.of({
    // No snapshots either: they would be images of one node.
    ...unsupportedFeatures(driver),
    capabilities,
    create,
    start,
    stop,
    pause: Effect.fn("SwarmDriver.pause")((id) => frozen(id, "paused")),
    resume: Effect.fn("SwarmDriver.resume")((id) => frozen(id, undefined)),
    remove,
    inspect,
    list,
    exec: (id, request) => streamOn(id, (node, place) => node.exec(place, request)),
    terminal: (id, request) =>
      Effect.gen(function* () {
        const place = yield* locate(id)
        const node = yield* at(place.host)
        return yield* node.terminal(place, request)
      }).pipe(Effect.catch((error) => explain(id, error))),
    startProcess: Effect.fn("SwarmDriver.startProcess")((id, request) =>
      on(id, (node, place) => node.kept.start(place, request)),
    ),
    listProcesses: Effect.fn("SwarmDriver.listProcesses")((id) =>
      on(id, (node, place) => node.kept.list(place)),
    ),
    attachProcess: (id, name, position) =>
      Effect.gen(function* () {
        const place = yield* locate(id)
        const node = yield* at(place.host)
        const process = yield* node.kept.attach(place, name, position)
        const events = Stream.catch(process.events, (error) =>
          Stream.fromEffect(explain(id, error)),
        )
        return { ...process, events }
      }).pipe(Effect.catch((error) => explain(id, error))),
    endProcess: Effect.fn("SwarmDriver.endProcess")((id, name, options) =>
      on(id, (node, place) => node.kept.end(place, name, options)),
    ),
    dial: (id, port) =>
      Effect.gen(function* () {
        const place = yield* locate(id)
        const node = yield* at(place.host)
        return yield* node.dial(place, port)
      }).pipe(Effect.catch((error) => explain(id, error))),
    stats: Effect.fn("SwarmDriver.stats")((id) => on(id, (node, place) => node.stats(place))),
    identify: (id, user) => on(id, (node, place) => node.identify(place, user)),
    stat: (id, path) => file(id, (node, place) => node.files.stat(place, path)),
    readFile: (id, path, range) =>
      streamOn(id, (node, place) => node.files.readFile(place, path, range)),
    writeFile: (id, path, content) =>
      once(id, (node, place) => node.files.writeFile(place, path, content)),
    getArchive: (id, path) => streamOn(id, (node, place) => node.files.getArchive(place, path)),
    putArchive: (id, path, archive) =>
      once(id, (node, place) => node.files.putArchive(place, path, archive)),
    listFolder: (id, path, depth) =>
      streamOn(id, (node, place) => node.files.listFolder(place, path, depth)),
    makeFolder: (id, path) => file(id, (node, place) => node.files.makeFolder(place, path)),
    removeFile: (id, path, options) =>
      file(id, (node, place) => node.files.removeFile(place, path, options)),
    moveFile: (id, from, to) => file(id, (node, place) => node.files.moveFile(place, from, to)),
    searchFolder: (id, path, search) =>
      streamOn(id, (node, place) => node.files.searchFolder(place, path, search)),
    watchFolder: (id, path, options) =>
      streamOn(id, (node, place) => node.files.watchFolder(place, path, options)),
    events,
    sweep: Effect.fn("SwarmDriver.sweep")(function* (olderThan) {
      const engines = yield* reachable(yield* manager.nodes)
      const before = ((yield* manager.now) - guarding) / 1000
      yield* Effect.forEach(
        engines,
        (node) => Effect.ignore(Effect.timeout(sweepGuards(node, before), "5 seconds")),
        {
          concurrency: 8,
          discard: true,
        },
      )
      return yield* removal.sweep(olderThan)
    }, Effect.scoped),
  })
})
