import {
  type CreateError,
  type DriverCapabilities,
  EngineError,
  type FileError,
  type HostError,
  handOver,
  hasTags,
  ImageNotFound,
  type ImagePullFailed,
  Incarnation,
  type InvalidInput,
  type Runtime,
  RuntimeUnavailable,
  requireIncarnation,
  SandboxDriver,
  type SandboxId,
  type SandboxInfo,
  SandboxNameTaken,
  SandboxNotFound,
  SandboxNotRunning,
} from "@cordon/core"
import { Duration, Effect, Exit, Layer, Option, Schedule, Stream } from "effect"
import { makeCommands } from "./container/commands.ts"
import { makeConnections } from "./container/connections.ts"
import { deadlineOf } from "./container/deadline.ts"
import { judgeLoss } from "./container/ends.ts"
import { makeContainerFiles } from "./container/files.ts"
import { makeContainerPorts } from "./container/ports.ts"
import { makeContainerProcesses } from "./container/processes.ts"
import { makeContainerStats } from "./container/stats.ts"
import type { Target } from "./container/Target.ts"
import { makeTerminals } from "./container/terminals.ts"
import { makeUsageOf } from "./container/usage.ts"
import { makeUsers } from "./container/users.ts"
import { DockerEngine } from "./DockerEngine.ts"
import { capacityOfHost } from "./engine/capacity.ts"
import { enforcedBy, whyNoLimits } from "./engine/enforcement.ts"
import { isEngineError } from "./engine/failures.ts"
import { familiar, isPodman, networkOf } from "./engine/podman.ts"
import type { ContainerInspect, ContainerSummary } from "./engine/schemas.ts"
import { checkHostId, makeHostId } from "./hostId.ts"
import {
  containerName,
  creationLabel,
  label,
  labelsOf,
  nameFilter,
  sandboxOf,
  sessionFilter,
  tagFilter,
} from "./Labels.ts"
import { defaultRuntimeNames, runtimesOf } from "./Runtimes.ts"
import { parsePool } from "./Subnets.ts"
import { makeBackground } from "./sandbox/background.ts"
import { identityOf } from "./sandbox/container.ts"
import { makeCpuSets } from "./sandbox/cpuSets.ts"
import { makeCreation, undo } from "./sandbox/creation.ts"
import { makeDiskLimits } from "./sandbox/diskLimits.ts"
import { type EgressOptions, makeEgress } from "./sandbox/egress.ts"
import { makeEventHub } from "./sandbox/events.ts"
import { makeImages } from "./sandbox/image.ts"
import { isNetworkName, networkOfProxy, removeNetwork } from "./sandbox/network.ts"
import { makeNetworksAhead } from "./sandbox/networksAhead.ts"
import { forking, isForeign, isSnapshot, makeSnapshots } from "./sandbox/snapshots.ts"
import {
  aheadSince,
  type Kind,
  makeWarmPool,
  removeAhead,
  type WarmPoolOptions,
  warmPoolOptions,
} from "./sandbox/WarmPool.ts"
import { type Ulimits, ulimitsOf } from "./Ulimits.ts"

/** What can be set about a driver over any Docker Engine. */
export interface DockerDriverOptions {
  /**
   * By what the engine is known in a lease store that several hosts share; the engine's own ID where
   * absent. Engines of cloned machines have one ID, and all but one are refused: give each its own,
   * and the same one for each process that uses the engine.
   */
  readonly hostId?: string
  /** Addresses that sandboxes' networks are cut from: `10.213.0.0/16`, which holds 8,192 networks. */
  readonly subnetPool?: string
  /** What the daemon calls a runtime, where it is not one of the usual names. */
  readonly runtimeNames?: Partial<Record<Runtime, string>>
  /**
   * Sandboxes that are made before they are asked for: a number of containers of each kind, or more
   * in detail. `CONTAINER_SANDBOX_WARM_POOL` where absent, and none where that is absent too.
   */
  readonly warmPool?: number | WarmPoolOptions
  /** The proxies of sandboxes with an allow-list of destinations. */
  readonly egress?: EgressOptions
  /**
   * Whether sandboxes with the network `bridge` reach link-local addresses (169.254.0.0/16), where
   * clouds serve metadata and credentials: false. On Google Cloud the name server is there as well:
   * give the engine another one (`dns` in its `daemon.json`), or set this.
   */
  readonly linkLocal?: boolean
  /**
   * Open files and processes that each process may have: `CONTAINER_SANDBOX_ULIMITS`
   * (`nofile=16384,nproc=32768`) where absent, and the engine's defaults where that is absent too.
   */
  readonly ulimits?: Ulimits
  /**
   * Whether each sandbox is held to as many CPUs as its limit allows, so that builds inside start no more jobs than
   * that: true, where the engine can. Sandboxes are spread over the CPUs; two that are busy at a time may still
   * have to share one while another is idle. `false` leaves them all CPUs, and tells programs by environment
   * variables how many to use. The limit itself holds in both cases.
   */
  readonly cpusets?: boolean
}

const losesFiles =
  "this host's gVisor loses a sandbox's files when it stops, so that none is stopped; remove it instead, or register runsc with --overlay2=none"

const leakyProxies = EngineError.notDone(
  "create a sandbox",
  "Podman's networks lead to the host past the proxy of an allow-list of destinations",
)

/** Engines tell whole seconds only, and not all of them in an order of their own. */
const oldestFirst = (a: ContainerSummary, b: ContainerSummary) =>
  a.Created - b.Created ||
  ((a.Labels[creationLabel] ?? "") < (b.Labels[creationLabel] ?? "") ? -1 : 1)

/**
 * What a Docker sandbox is, over whatever reaches an engine: one container and one network, found
 * again by their labels, used through commands that run inside.
 */
export const layerDriver = (
  options: DockerDriverOptions = {},
): Layer.Layer<SandboxDriver, InvalidInput, DockerEngine> =>
  Layer.effect(
    SandboxDriver,
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const pool = yield* parsePool(options.subnetPool ?? "10.213.0.0/16")
      const connections = yield* makeConnections(engine)
      const hub = yield* makeEventHub(engine, connections)
      const info = yield* Effect.cachedWithTTL(engine.info, (exit) =>
        Exit.isSuccess(exit) ? Duration.minutes(1) : 0,
      )
      const podman = Effect.map(info, isPodman)
      const using = {
        engine,
        hub,
        connections,
        judgeLoss: judgeLoss(engine, hub, connections.relaunch),
      }
      const exec = makeCommands(using)
      const terminal = makeTerminals(using)
      const processes = makeContainerProcesses(using)
      const files = makeContainerFiles(engine, connections)
      const usageOf = makeUsageOf(connections)
      const identify = makeUsers(engine, connections)
      const ports = makeContainerPorts(engine, connections)
      const stats = makeContainerStats(files)
      const images = makeImages(engine)
      const snapshots = makeSnapshots(engine)
      const background = yield* makeBackground
      const warm = yield* warmPoolOptions(options.warmPool)
      const networks = makeNetworksAhead(engine, pool, warm?.networks ?? (warm ? 2 : 0))

      const names = Object.fromEntries(
        Object.entries(options.runtimeNames ?? {}).map(([runtime, name]) => [runtime, [name]]),
      )
      const diskLimits = makeDiskLimits()
      yield* checkHostId(options.hostId)
      const hostId = yield* makeHostId(engine)
      const runtimes = Effect.map(info, (host) =>
        runtimesOf(host, { ...defaultRuntimeNames, ...names }),
      )
      const egress = makeEgress(engine, images, options.egress)
      const make = makeCreation({
        engine,
        connections,
        files,
        subnets: pool,
        egress,
        proxyRuntime: Effect.map(runtimes, (offered) => offered.get("runc")?.name),
        networkAhead: networks.take,
        ulimits: yield* ulimitsOf(options.ulimits),
        cpuSets: yield* makeCpuSets(engine, info, options.cpusets ?? true),
        podman,
        linkLocal: options.linkLocal,
      })
      const warmPool =
        warm && (yield* makeWarmPool(engine, make, networks, connections.isConnected, warm))

      const toInfo = (container: ContainerInspect): Option.Option<SandboxInfo> =>
        sandboxOf({
          name: container.Name,
          instanceId: container.Id,
          status: container.State.Status,
          image: familiar(container.Config.Image),
          createdAt: new Date(container.Created),
          labels: container.Config.Labels ?? {},
        })
      const ofSummary = (container: ContainerSummary): Option.Option<SandboxInfo> =>
        sandboxOf({
          name: container.Names[0] ?? "",
          instanceId: container.Id,
          status: container.State,
          image: familiar(container.Image),
          createdAt: new Date(container.Created * 1000),
          labels: container.Labels,
        })
      const targetOf = ({ id, workdir }: SandboxInfo, { Id, Config }: ContainerInspect): Target => {
        const user = Config.Labels?.[label.user] ?? ""
        return { id, instanceId: Id, cwd: workdir, ...(user === "" ? {} : { user }) }
      }

      // What an ID stood for when it was last looked at: a command then costs no look of its own.
      // The container's own ID is used from there on, so an old entry can't reach another one.
      const seen = new Map<SandboxId, Target>()

      /** The containers of an ID, oldest first: what can't be ended may have another one beside it. */
      const containersOf = (id: SandboxId) =>
        Effect.map(engine.containerList({ name: [nameFilter(id)] }), (found) =>
          [...found].sort(oldestFirst),
        )

      /** The container of that name, if it is wholly the sandbox's and not just called so. */
      const look = Effect.fnUntraced(function* (id: SandboxId) {
        const missing = new SandboxNotFound({ sandbox: id })
        const find = Effect.gen(function* () {
          const wanted = yield* Incarnation
          const containers = yield* containersOf(id)
          const found = containers.find(({ Id }) => Id === wanted?.instanceId) ?? containers.at(-1)
          return found === undefined ? yield* missing : yield* engine.containerInspect(found.Id)
        })
        const known = seen.get(id)
        const container = yield* (
          known === undefined
            ? find
            : Effect.catchIf(
                engine.containerInspect(known.instanceId),
                // Gone, or condemned while another one was made in its place.
                (error) => isEngineError("NotFound")(error) || error._tag === "SandboxCondemned",
                () => find,
              )
        ).pipe(Effect.catchReason("EngineError", "NotFound", () => Effect.fail(missing)))
        const sandbox = toInfo(container)
        if (Option.isNone(sandbox) || sandbox.value.id !== id) return yield* missing
        return {
          sandbox: sandbox.value,
          network: networkOf(container),
          target: targetOf(sandbox.value, container),
        }
      })
      const find = (id: SandboxId) => Effect.map(look(id), ({ sandbox }) => sandbox)

      const inspect = Effect.fnUntraced(function* (id: SandboxId) {
        const sandbox = yield* find(id)
        return sandbox.status === "running"
          ? { ...sandbox, ...(yield* usageOf(sandbox.instanceId)) }
          : sandbox
      })

      const locate = (id: SandboxId) =>
        Effect.suspend(() => {
          const known = seen.get(id)
          if (known !== undefined) return Effect.as(requireIncarnation(known), known)
          return Effect.flatMap(look(id), ({ target }) => {
            seen.set(id, target)
            return Effect.as(requireIncarnation(target), target)
          })
        })
      const forget = (id: SandboxId) => Effect.sync(() => void seen.delete(id))

      /** Runs against the container of an ID, once more if the one that was known is gone. */
      const on = <A, E, R = never>(
        id: SandboxId,
        f: (target: Target) => Effect.Effect<A, E, R>,
      ): Effect.Effect<A, E | SandboxNotFound | HostError, R> =>
        Effect.suspend(() => {
          const known = seen.get(id)
          const located = Effect.flatMap(locate(id), f)
          return known === undefined
            ? located
            : Effect.catchIf(
                located,
                (error) => error instanceof SandboxNotFound,
                () => Effect.andThen(forget(id), Effect.flatMap(locate(id), f)),
              )
        })

      /** As `on`, for streams: `SandboxNotFound` comes before anything was run. */
      const streamOn = <A, E>(
        id: SandboxId,
        f: (target: Target) => Stream.Stream<A, E>,
        located: Effect.Effect<Target, SandboxNotFound | HostError> = locate(id),
      ): Stream.Stream<A, E | SandboxNotFound | HostError> =>
        Stream.unwrap(Effect.map(located, (target) => Stream.onError(f(target), () => forget(id))))

      const create: SandboxDriver["Service"]["create"] = Effect.fn("DockerDriver.create")(
        function* (
          { id, session, spec, instead, access },
          onProgress = () => Effect.void,
        ): Effect.fn.Return<SandboxInfo, CreateError | ImageNotFound | ImagePullFailed> {
          yield* Effect.annotateCurrentSpan({ "sandbox.id": id })
          const offered = yield* runtimes
          const runtime = offered.get(spec.runtime)
          if (runtime === undefined) {
            return yield* new RuntimeUnavailable({
              runtime: spec.runtime,
              available: [...offered.keys()],
            })
          }
          const name = containerName(id, session, instead)
          const taken = new SandboxNameTaken({ sandbox: spec.name })
          return yield* handOver(
            (restore) =>
              Effect.gen(function* () {
                if (spec.egress !== undefined) {
                  if (yield* podman) return yield* leakyProxies
                  yield* restore(egress.prepare(onProgress))
                }
                const { disk } = spec.limits
                const limited = disk !== undefined && diskLimits.worthAsking(yield* info)
                const kind = {
                  spec,
                  runtime: runtime.name,
                  image: yield* restore(images.provide({ image: spec.image, access }, onProgress)),
                  ...(limited ? { disk } : {}),
                }
                // Another session's snapshot does not exist to this one.
                if (isForeign(kind.image, session)) {
                  return yield* new ImageNotFound({ image: spec.image })
                }
                // Of two containers of one ID the newer one is the sandbox. A container that waited in the
                // pool may be older than the condemned one, so a new one is made.
                const pooled =
                  isSnapshot(kind.image) || instead !== undefined ? undefined : warmPool
                const claimed = pooled
                  ? yield* pooled.claim(kind, id, name, spec.name)
                  : Option.none()
                const identity = identityOf(spec, kind.image)
                const { disk: _, ...unlimited } = kind
                const makeCold = (kind: Kind) =>
                  make({
                    ...kind,
                    id,
                    name,
                    labels: labelsOf(id, session, spec, identity),
                    networkLabels: { [label.id]: id, [label.session]: session },
                  })
                const cold = makeCold(kind).pipe(
                  // Recorded and not enforced, then, as the capabilities say from now on.
                  Effect.catchIf(diskLimits.refused, () => makeCold(unlimited)),
                  Effect.catchReason("EngineError", "NameTaken", () => Effect.fail(taken)),
                )
                const container = Option.isSome(claimed) ? claimed.value : yield* restore(cold)
                if (limited) diskLimits.worked()
                if (pooled) yield* pooled.want(kind)
                const sandbox = toInfo(container)
                if (Option.isNone(sandbox)) {
                  return yield* Effect.die(new Error("A container that was just made is not ours"))
                }
                seen.set(id, targetOf(sandbox.value, container))
                return sandbox.value
              }),
            (made) => Effect.ignore(remove(made.id, made.instanceId)),
          )
        },
      )

      /** Reads the engine's "no such container" as ours, and its "not modified" as done. */
      const settled =
        (id: SandboxId) =>
        (call: Effect.Effect<void, HostError>): Effect.Effect<void, SandboxNotFound | HostError> =>
          call.pipe(
            Effect.catchReason("EngineError", "NotModified", () => Effect.void),
            // Without its network a container does not start any more.
            Effect.catchIf(isEngineError("NotFound", "NetworkNotFound"), () =>
              Effect.fail(new SandboxNotFound({ sandbox: id })),
            ),
          )

      const restoreProxy = Effect.fnUntraced(function* (container: ContainerInspect) {
        const runtime = (yield* runtimes).get("runc")?.name ?? container.HostConfig?.Runtime ?? ""
        yield* egress.restore(container, runtime)
      })

      const resumeContainer = (instanceId: string) =>
        Effect.andThen(engine.containerUnpause(instanceId), connections.resumed(instanceId))

      const start: SandboxDriver["Service"]["start"] = Effect.fn("DockerDriver.start")((id) =>
        on(id, ({ instanceId }) =>
          settled(id)(
            Effect.gen(function* () {
              const container = yield* engine.containerInspect(instanceId)
              yield* restoreProxy(container)
              if (container.State.Status === "paused") return yield* resumeContainer(instanceId)
              if (container.State.Running) return
              yield* connections.relaunch(instanceId)
            }),
          ),
        ),
      )

      /**
       * Lets a paused container go on, for it to be ended: Podman stops nothing that is paused, gVisor
       * lets such a one not start again, and Engine 20.10, which kills it, finds gVisor's dead process
       * a zombie.
       */
      const thaw = ({ instanceId, status }: SandboxInfo) =>
        status === "paused" ? Effect.ignore(engine.containerUnpause(instanceId)) : Effect.void

      const stop: SandboxDriver["Service"]["stop"] = Effect.fn("DockerDriver.stop")(function* (id) {
        const sandbox = yield* find(id)
        const { instanceId, runtime, status } = sandbox
        const keepsFiles = (yield* runtimes).get(runtime)?.keepsFiles ?? true
        if (!keepsFiles && (status === "running" || status === "paused")) {
          return yield* EngineError.notDone("stop a sandbox", losesFiles)
        }
        yield* connections.ended(instanceId)
        yield* thaw(sandbox)
        yield* settled(id)(engine.containerStop(instanceId))
      })

      /** Pauses or resumes; a refusal is none where the container is as it was wanted. */
      const turn = (
        id: SandboxId,
        wanted: "paused" | "running",
        call: (instanceId: string) => Effect.Effect<void, HostError>,
      ) =>
        on(id, ({ instanceId }) =>
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

      const remove: SandboxDriver["Service"]["remove"] = Effect.fn("DockerDriver.remove")(
        function* (id, instanceId) {
          const missing = new SandboxNotFound({ sandbox: id })
          // By the list alone: it tells of those as well of which the engine tells nothing more.
          const containers = yield* containersOf(id)
          const container =
            instanceId === undefined
              ? containers.at(-1)
              : containers.find(({ Id }) => Id === instanceId)
          if (container === undefined) {
            // Whoever removes what is not there finishes what was broken off: nobody makes it now.
            if (containers.length === 0) yield* sweepNetworks(Duration.zero, id)
            return yield* missing
          }
          const found = ofSummary(container)
          if (Option.isNone(found)) return yield* missing
          const sandbox = found.value
          const network = networkOf(container)
          yield* forget(id)
          yield* Effect.uninterruptible(
            connections.ended(sandbox.instanceId).pipe(
              Effect.andThen(thaw(sandbox)),
              Effect.andThen(settled(id)(engine.containerRemove(sandbox.instanceId))),
              Effect.andThen(snapshots.removeWith(sandbox, container)),
              // Another removal is under way: wait until it is done.
              Effect.catchIf(isEngineError("InProgress", "Conflict"), () =>
                engine.containerInspect(sandbox.instanceId).pipe(
                  Effect.repeat(Schedule.spaced("50 millis")),
                  Effect.timeoutOption("10 seconds"),
                  Effect.catchReason("EngineError", "NotFound", () => Effect.void),
                ),
              ),
              // The network is in nobody's way: the next one of the same sandbox has another name.
              Effect.andThen(
                isNetworkName(network)
                  ? background(undo(`network ${network}`, removeNetwork(engine, network)))
                  : Effect.void,
              ),
            ),
          )
        },
      )

      const list: SandboxDriver["Service"]["list"] = Effect.fn("DockerDriver.list")(
        function* (session, tags) {
          const containers = yield* engine.containerList({
            label: [tagFilter(tags) ?? label.version],
            ...(session === undefined ? {} : { name: [sessionFilter(session)] }),
          })
          return [...containers]
            .sort(oldestFirst)
            .flatMap((container) => Option.toArray(ofSummary(container)))
            .filter((sandbox) => session === undefined || sandbox.session === session)
            .filter((sandbox) => hasTags(sandbox, tags))
        },
      )

      const sweepNetworks = Effect.fnUntraced(function* (
        olderThan: Duration.Duration,
        only?: SandboxId,
      ) {
        const filter = only === undefined ? label.version : `${label.id}=${only}`
        // Networks first: one that gets its container in between is then seen with it.
        const networks = yield* engine.networkList({ label: [filter], driver: ["bridge"] })
        const containers = yield* engine.containerList({ label: [label.version] })
        const sandboxes = containers.filter(
          ({ Names: [name = ""] }) => networkOfProxy(name) === undefined,
        )
        const inUse = new Set(sandboxes.map(networkOf))
        // The engine's own clock: ours may be minutes away from the one that it dates networks by.
        const { SystemTime } = yield* engine.info
        const now = SystemTime ? Date.parse(SystemTime) : Date.now()
        const oldest = now - Duration.toMillis(olderThan)
        const abandoned = networks.filter(
          ({ Name, Created }) => !inUse.has(Name) && Date.parse(Created) <= oldest,
        )
        yield* Effect.forEach(
          abandoned,
          (network) =>
            removeNetwork(engine, network.Name).pipe(
              // In use after all, or already gone.
              Effect.catchIf(isEngineError("InUse", "NotFound", "Rejected"), () => Effect.void),
            ),
          { discard: true },
        )
        const others =
          only === undefined
            ? [
                ...(yield* egress.sweep(containers, inUse, oldest)),
                ...(yield* snapshots.sweep(Math.min(oldest, now - forking))),
              ]
            : []
        return [...abandoned.map((network) => network.Name), ...others]
      })

      /** Removes what was made ahead by processes that no longer hold it. */
      const sweepAhead = Effect.fnUntraced(function* (olderThan: Duration.Duration) {
        const containers = yield* engine.containerList({ label: [label.ahead] })
        const oldest = Date.now() - Duration.toMillis(olderThan)
        const abandoned = containers.filter(({ Names: [name = ""] }) =>
          Option.exists(aheadSince(name), (since) => since <= oldest),
        )
        yield* Effect.forEach(
          abandoned,
          (container) =>
            removeAhead(engine, (container.Names[0] ?? "").replace("/", ""), networkOf(container)),
          { discard: true },
        )
        return abandoned.map(({ Names: [name = ""] }) => name.replace("/", ""))
      })

      const capabilities = Effect.gen(function* () {
        const [host, version, offered] = yield* Effect.all([info, engine.version, runtimes], {
          concurrency: "unbounded",
        })
        const gvisor = offered.get("gvisor")
        const enforced = { ...enforcedBy(host), disk: diskLimits.enforced(host) }
        const unlimited = whyNoLimits(host)
        const capabilities: DriverCapabilities = {
          driver: "docker",
          hostId: options.hostId ?? (yield* hostId),
          hostMark: `${host.Name ?? ""}:${host.DockerRootDir ?? ""}`,
          host: `${isPodman(host) ? "Podman" : "Docker Engine"} ${version.Version} (API ${version.ApiVersion}, ${version.Os}/${version.Arch}) at ${engine.endpoint}`,
          runtimes: [...offered.values()].map(({ name: _, ...runtime }) => runtime),
          enforced,
          capacity: yield* capacityOfHost(host),
          features: [
            "processes",
            "ports",
            "pause",
            "terminals",
            "snapshots",
            "stats",
            "git",
            ...(isPodman(host) ? [] : (["egress"] as const)),
          ],
          caveats: [
            "runc and sysbox-runc share the host's kernel: a hole in it is a way out.",
            "Who may inspect the engine can read the environment variables of every sandbox.",
            ...(gvisor === undefined
              ? []
              : [
                  "gvisor: going past the limit of memory ends the sandbox as a whole; it is started anew, and the command's result says so.",
                  "gvisor: the limit of processes is set inside, where root may lift it, who tries again may get past it (bash does), and users other than root do not have it; the host ends a sandbox that goes far past it.",
                ]),
            ...(gvisor?.keepsFiles === false ? [`gvisor: ${losesFiles}.`] : []),
            ...(isPodman(host)
              ? [
                  "Podman: an internal network would lead to the host, so that such a sandbox has none.",
                  "Podman: sandboxes with a bridge network reach a cloud's metadata service, where its host does.",
                  "Podman: sandboxes with a bridge network reach containers of others on Podman networks without the option isolate.",
                ]
              : []),
            ...Object.entries(enforced)
              .filter(([, is]) => !is)
              .map(([limit]) => `This engine does not enforce the limit of ${limit}.`),
            ...(unlimited === undefined ? [] : [`This engine limits nothing: ${unlimited}.`]),
          ],
        }
        return capabilities
      })

      const file = <A, E>(
        id: SandboxId,
        f: (target: Target) => Effect.Effect<A, E>,
      ): Effect.Effect<A, E | FileError> => on(id, f)

      return SandboxDriver.of({
        capabilities,
        create,
        start,
        stop,
        pause: Effect.fn("DockerDriver.pause")((id) => turn(id, "paused", connections.pause)),
        resume: Effect.fn("DockerDriver.resume")((id) => turn(id, "running", resumeContainer)),
        egressAttempts: (id) => Effect.flatMap(look(id), ({ network }) => egress.attempts(network)),
        remove,
        inspect,
        list,
        exec: (id, request) =>
          Stream.unwrap(
            Effect.map(deadlineOf(engine.endpoint, request), (deadline) =>
              streamOn(
                id,
                (target) => exec(target, request, deadline),
                seen.has(id) ? locate(id) : deadline.before(locate(id)),
              ),
            ),
          ),
        identify: (id, user) => on(id, (target) => identify(target, user)),
        snapshot: Effect.fn("DockerDriver.snapshot")(function* (id, name, options = {}) {
          const sandbox = yield* find(id)
          if ((yield* runtimes).get(sandbox.runtime)?.keepsFiles === false) {
            return yield* EngineError.notDone(
              "snapshot a sandbox",
              "its runtime keeps the files where the engine does not see them",
            )
          }
          const passing = options.passing ?? false
          return yield* on(id, (target) => snapshots.take(target, sandbox, name, passing))
        }),
        snapshots: Effect.fn("DockerDriver.snapshots")((session, passing) =>
          snapshots.list(session, passing),
        ),
        removeSnapshot: Effect.fn("DockerDriver.removeSnapshot")((session, name) =>
          snapshots.remove(session, name),
        ),
        terminal: (id, request) => on(id, (target) => terminal(target, request)),
        startProcess: Effect.fn("DockerDriver.startProcess")((id, request) =>
          on(id, (target) => processes.start(target, request)),
        ),
        listProcesses: Effect.fn("DockerDriver.listProcesses")((id) => on(id, processes.list)),
        attachProcess: (id, name, position) =>
          on(id, (target) => processes.attach(target, name, position)),
        endProcess: Effect.fn("DockerDriver.endProcess")((id, name, options) =>
          on(id, (target) => processes.end(target, name, options)),
        ),
        dial: (id, port) => on(id, (target) => ports.dial(target, port)),
        listen: (id, port) => on(id, (target) => ports.listen(target, port)),
        outlive: Effect.fn("DockerDriver.outlive")((id, milliseconds) =>
          on(id, ({ instanceId }) => connections.outlive(instanceId, milliseconds)),
        ),
        stats: Effect.fn("DockerDriver.stats")((id) => on(id, stats)),
        stat: (id, path) => file(id, (target) => files.stat(target, path)),
        readFile: (id, path, range) =>
          streamOn(id, (target) => files.readFile(target, path, range)),
        writeFile: (id, path, content) =>
          Effect.flatMap(locate(id), (target) => files.writeFile(target, path, content)).pipe(
            Effect.onError(() => forget(id)),
          ),
        getArchive: (id, path) => streamOn(id, (target) => files.getArchive(target, path)),
        putArchive: (id, path, archive) =>
          Effect.flatMap(locate(id), (target) => files.putArchive(target, path, archive)).pipe(
            Effect.onError(() => forget(id)),
          ),
        listFolder: (id, path, depth) =>
          streamOn(id, (target) => files.listFolder(target, path, depth)),
        makeFolder: (id, path) => file(id, (target) => files.makeFolder(target, path)),
        removeFile: (id, path, options) =>
          file(id, (target) => files.removeFile(target, path, options)),
        moveFile: (id, from, to) => file(id, (target) => files.moveFile(target, from, to)),
        searchFolder: (id, path, search) =>
          streamOn(id, (target) => files.searchFolder(target, path, search)),
        watchFolder: (id, path, options) =>
          streamOn(id, (target) => files.watchFolder(target, path, options)),
        events: hub.events,
        sweep: Effect.fn("DockerDriver.sweep")(function* (olderThan) {
          const containers = yield* sweepAhead(olderThan)
          return [...containers, ...(yield* sweepNetworks(olderThan))]
        }),
      })
    }),
  )
