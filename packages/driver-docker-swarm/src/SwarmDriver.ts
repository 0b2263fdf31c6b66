import {
  type FileError,
  handOver,
  hasTags,
  type Runtime,
  RuntimeUnavailable,
  SandboxDriver,
  type SandboxId,
  SandboxNotFound,
  Unsupported,
  unsupportedFeatures,
} from "@cordon/core"
import {
  defaultRuntimeNames,
  forking,
  label,
  makeBackground,
  parsePool,
  tagFilter,
  type WarmPoolOptions,
} from "@cordon/driver-docker/sandbox"
import type { ConnectionOptions } from "@cordon/driver-docker-remote"
import { Duration, Effect, Option, RcMap, Stream } from "effect"
import type { Manager } from "./manager/Manager.ts"
import { makeNodeEngines, type NodeEngine } from "./NodeEngines.ts"
import { makeCapabilities } from "./sandbox/capabilities.ts"
import { isCreating } from "./sandbox/creating.ts"
import { makeCreation } from "./sandbox/creation.ts"
import { makeEvents } from "./sandbox/events.ts"
import { makeFinish } from "./sandbox/finish.ts"
import { sweepGuards } from "./sandbox/guard.ts"
import { makeNodes } from "./sandbox/nodes.ts"
import { runtimesOf } from "./sandbox/placement.ts"
import { type At, makePlaces, type Place, settled, toInfo } from "./sandbox/places.ts"
import { makeRegistry } from "./sandbox/registry.ts"
import { makeRemoval } from "./sandbox/removal.ts"
import { attemptLabel, runningServiceOf } from "./sandbox/service.ts"
import { makeSwarmSnapshots } from "./sandbox/snapshots.ts"
import { makeStates } from "./sandbox/states.ts"
import { makeSwarmPool } from "./sandbox/warm.ts"

export interface SwarmDriverOptions {
  readonly connection: Omit<ConnectionOptions, "host">
  readonly subnetPool: string
  readonly runtimeNames: Partial<Record<Runtime, string>>
  readonly hostId: string | undefined
  /** Whether sandboxes with a way out reach the nodes' own addresses. */
  readonly nodesReachable: boolean
  /** Whether they reach link-local addresses. */
  readonly linkLocal: boolean
  readonly warm: WarmPoolOptions | undefined
  /** Where snapshots are pushed to. */
  readonly snapshotRepository: string | undefined
}

type Driver = SandboxDriver["Service"]
type Request = Parameters<Driver["create"]>[0]

const driver = "docker-swarm"
// Milliseconds after which the container that closes the way to the nodes is one that was left.
const guarding = 60_000

/** Sandboxes as services of a swarm, which places them; used through the engine of their node. */
export const makeSwarmDriver = Effect.fnUntraced(function* (
  manager: Manager,
  options: SwarmDriverOptions,
) {
  const pool = yield* parsePool(options.subnetPool)
  const engines = yield* makeNodeEngines(options.connection)
  const images = makeRegistry(manager)
  const at: At = (host) => RcMap.get(engines, host)
  const nodesOf = makeNodes(at)
  const places = makePlaces(manager, at)
  const removal = makeRemoval(manager, at, yield* makeBackground)
  const namesOf = (runtime: Runtime): ReadonlyArray<string> => {
    const own = options.runtimeNames[runtime]
    return own === undefined ? defaultRuntimeNames[runtime] : [own]
  }
  const finish = yield* makeFinish(manager, { ...options, namesOf })
  const creation = makeCreation({ manager, at, pool, images, removal, finish: finish.finish })
  const warm = options.warm && (yield* makeSwarmPool(manager, at, creation, removal, options.warm))
  const snapshots = makeSwarmSnapshots({
    manager,
    at,
    nodes: nodesOf,
    places,
    namesOf,
    repository: options.snapshotRepository,
  })
  const { look, on, within, streamOn, commandOn, once, forget } = places

  const create: Driver["create"] = Effect.fn("SwarmDriver.create")(function* (
    request,
    onProgress = () => Effect.void,
  ) {
    const { id, session, spec, access } = request
    yield* Effect.annotateCurrentSpan({ "sandbox.id": id })
    if (spec.egress !== undefined) {
      return yield* new Unsupported({ feature: "egress", driver })
    }
    return yield* handOver(
      (restore) =>
        Effect.gen(function* () {
          const { nodes, source } = yield* restore(prepare(request))
          const { registry, hasInit } = source
          const pool = hasInit ? undefined : warm
          const kind = { spec, registry, access }
          const claimed = pool ? yield* pool.claim(kind, id, session, spec) : Option.none()
          const cold = creation.create({
            id,
            session,
            spec: { ...spec, image: source.image },
            registry,
            hasInit,
            node: source.node,
            nodes,
            onPreparing: (node) =>
              onProgress({ image: spec.image, status: `Preparing on node ${node}` }),
          })
          const made = Option.isSome(claimed)
            ? claimed.value
            : yield* restore(
                // What waits for nobody gives its place up.
                Effect.catchTag(cold, "QuotaExceeded", (error) =>
                  Effect.flatMap(warm?.release ?? Effect.succeed(false), (any) =>
                    any ? cold : Effect.fail(error),
                  ),
                ),
              )
          if (pool) yield* pool.want(kind)
          places.remember(made.place)
          return made.sandbox
        }),
      (made) => Effect.ignore(remove(made.id, made.instanceId)),
    )
  })

  /** What a creation has to know before it begins. */
  const prepare = Effect.fnUntraced(function* ({ id, session, spec, access }: Request) {
    const open = Effect.map(images.open(spec.image, access), (registry) => ({
      image: spec.image,
      registry,
      hasInit: false,
      node: undefined,
    }))
    const [nodes, source] = yield* Effect.all(
      [
        manager.nodes,
        snapshots.isOne(spec.image) ? snapshots.find(spec.image, session) : open,
        // Of the same program, just before, while the managers were away.
        removal.undone(id),
      ],
      { concurrency: "unbounded" },
    )
    const available = runtimesOf(nodes)
    if (!available.includes(spec.runtime)) {
      return yield* new RuntimeUnavailable({ runtime: spec.runtime, available })
    }
    return { nodes, source }
  })

  const remove: Driver["remove"] = Effect.fn("SwarmDriver.remove")(function* (id, instanceId) {
    yield* forget(id)
    const { sandbox, service } = yield* look(id).pipe(
      // Whoever removes what is not there finishes what was broken off.
      Effect.tapErrorTag("SandboxNotFound", () => removal.sweep(Duration.zero, id)),
    )
    if (instanceId !== undefined && sandbox.instanceId !== instanceId) {
      return yield* new SandboxNotFound({ sandbox: id })
    }
    yield* settled(id)(removal.dismiss(service, sandbox.network !== "none"))
    yield* snapshots.removeWith(sandbox)
  })

  const inspect: Driver["inspect"] = Effect.fn("SwarmDriver.inspect")(function* (id) {
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
  })

  const list: Driver["list"] = Effect.fn("SwarmDriver.list")(function* (session, tags) {
    const filter = session === undefined ? label.session : `${label.session}=${session}`
    const tag = tagFilter(tags)
    const [services, tasks, nodes] = yield* Effect.all(
      [
        manager.serviceList({ label: [filter, ...(tag === undefined ? [] : [tag])] }),
        // Also of what was made ahead, which has no sandbox's ID.
        manager.taskList({ label: [attemptLabel] }),
        manager.nodes,
      ],
      { concurrency: "unbounded" },
    )
    const taskOf = new Map(tasks.map((task) => [task.ServiceID, task]))
    const nodeOf = new Map(nodes.map((node) => [node.ID, node]))
    return services
      .filter((service) => !isCreating(service))
      .flatMap((service) => {
        const task = taskOf.get(runningServiceOf(service))
        return Option.toArray(toInfo(service, task, nodeOf.get(task?.NodeID ?? "")))
      })
      .filter((sandbox) => hasTags(sandbox, tags))
      .sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime())
  })

  const sweep: Driver["sweep"] = Effect.fn("SwarmDriver.sweep")(function* (olderThan) {
    const reachable = yield* nodesOf.reachable(yield* manager.nodes)
    const before = ((yield* manager.now) - guarding) / 1000
    yield* Effect.forEach(
      reachable,
      (node) => Effect.ignore(Effect.timeout(sweepGuards(node, before), "5 seconds")),
      { concurrency: 8, discard: true },
    )
    const oldest = (yield* manager.now) - Math.max(Duration.toMillis(olderThan), forking)
    return [...(yield* removal.sweep(olderThan)), ...(yield* snapshots.sweep(oldest))]
  }, Effect.scoped)

  const file = <A, E>(
    id: SandboxId,
    f: (node: NodeEngine, place: Place) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E | FileError> => on(id, f)

  return SandboxDriver.of({
    ...unsupportedFeatures(driver),
    capabilities: makeCapabilities(manager, nodesOf, finish, { ...options, namesOf }),
    create,
    ...makeStates(manager, at, places),
    remove,
    inspect,
    list,
    exec: (id, request) =>
      commandOn(id, request, (node, place, deadline) => node.exec(place, request, deadline)),
    terminal: (id, request) => within(id, (node, place) => node.terminal(place, request)),
    startProcess: Effect.fn("SwarmDriver.startProcess")((id, request) =>
      on(id, (node, place) => node.kept.start(place, request)),
    ),
    listProcesses: Effect.fn("SwarmDriver.listProcesses")((id) =>
      on(id, (node, place) => node.kept.list(place)),
    ),
    attachProcess: (id, name, position) =>
      within(id, (node, place) =>
        Effect.map(node.kept.attach(place, name, position), (process) => ({
          ...process,
          events: Stream.catch(process.events, (error) =>
            Stream.fromEffect(places.explain(id, error)),
          ),
        })),
      ),
    endProcess: Effect.fn("SwarmDriver.endProcess")((id, name, options) =>
      on(id, (node, place) => node.kept.end(place, name, options)),
    ),
    dial: (id, port) => within(id, (node, place) => node.ports.dial(place, port)),
    listen: (id, port) => within(id, (node, place) => node.ports.listen(place, port)),
    snapshot: snapshots.take,
    snapshots: snapshots.list,
    removeSnapshot: snapshots.remove,
    outlive: Effect.fn("SwarmDriver.outlive")((id, milliseconds) =>
      on(id, ({ connections }, { instanceId }) =>
        connections.outlive(instanceId, milliseconds),
      ).pipe(Effect.catchTag("SandboxNotRunning", () => Effect.void)),
    ),
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
    events: makeEvents(manager, nodesOf),
    sweep,
  })
})
