import {
  type HostError,
  type InvalidInput,
  type Runtime,
  SandboxDriver,
  type SandboxId,
  type SandboxNotFound,
} from "@cordon/core"
import { Effect, Layer } from "effect"
import { type Containers, makeContainers } from "./container/Containers.ts"
import { makeLocator } from "./container/locator.ts"
import { containerMembers } from "./container/members.ts"
import type { Target } from "./container/Target.ts"
import { DockerEngine } from "./DockerEngine.ts"
import { type EgressOptions, makeEgress } from "./network/egress.ts"
import { parsePool } from "./network/subnets.ts"
import { makeImages } from "./registry/images.ts"
import { makeBackground } from "./sandbox/background.ts"
import { makeCapabilities } from "./sandbox/capabilities.ts"
import { makeCpuSets } from "./sandbox/cpuSets.ts"
import { makeCreate } from "./sandbox/create.ts"
import { makeDiskLimits } from "./sandbox/diskLimits.ts"
import { makeHost } from "./sandbox/host.ts"
import { makeLookup } from "./sandbox/lookup.ts"
import { makeCreation } from "./sandbox/makeContainer.ts"
import { makeRemove } from "./sandbox/remove.ts"
import { makeSnapshotMembers } from "./sandbox/snapshotMembers.ts"
import { makeSnapshots } from "./sandbox/snapshots.ts"
import { makeStates } from "./sandbox/states.ts"
import { makeSweeper } from "./sandbox/sweep.ts"
import { type Ulimits, ulimitsOf } from "./Ulimits.ts"
import { makeNetworksAhead } from "./warm/networksAhead.ts"
import { makeWarmPool, type WarmPoolOptions, warmPoolOptions } from "./warm/WarmPool.ts"

/** Options of a driver over any Docker Engine. */
export interface DockerDriverOptions {
  /**
   * The engine's name in a lease store that several hosts share. Default: the engine's own ID.
   * Engines of cloned machines have the same ID, and all but one are refused: give each engine its
   * own `hostId`, and give the same `hostId` to every process that uses the engine.
   */
  readonly hostId?: string
  /** The address range of the sandboxes' networks. Default: `10.213.0.0/16`, which holds 8,192 networks. */
  readonly subnetPool?: string
  /** The daemon's name of a runtime, if it is not one of the usual names. */
  readonly runtimeNames?: Partial<Record<Runtime, string>>
  /**
   * Containers that are made before a sandbox is requested: a number for each kind, or detailed
   * options. Default: `CONTAINER_SANDBOX_WARM_POOL`, or no warm pool.
   */
  readonly warmPool?: number | WarmPoolOptions
  /** The proxies of sandboxes with an allow-list of destinations. */
  readonly egress?: EgressOptions
  /**
   * Whether sandboxes with the network `bridge` reach link-local addresses (169.254.0.0/16), where
   * clouds serve metadata and credentials. Default: false. On Google Cloud the name server is there
   * as well: give the engine another one (`dns` in its `daemon.json`), or set this.
   */
  readonly linkLocal?: boolean
  /**
   * The ulimits of each process: open files and number of processes. Default:
   * `CONTAINER_SANDBOX_ULIMITS` (`nofile=16384,nproc=32768`), or the engine's defaults.
   */
  readonly ulimits?: Ulimits
  /**
   * Whether each sandbox is pinned to as many CPUs as its limit allows, so that builds inside start
   * no more jobs than that. Default: true, if the engine supports it. Sandboxes are spread over the
   * CPUs; two busy sandboxes may still share one CPU while another is idle. With `false` a sandbox
   * may use all CPUs, and environment variables tell programs how many to use. The limit itself
   * applies in both cases.
   */
  readonly cpusets?: boolean
}

/**
 * The driver for Docker, over any connection to an engine. A sandbox is one container and one
 * network. The driver finds both by their labels, and uses the sandbox through commands that run
 * inside it.
 *
 * @example
 * import { layerDriver, localEngine } from "@cordon/driver-docker"
 * import { Layer } from "effect"
 *
 * const driver = Layer.provide(layerDriver(), localEngine("/var/run/docker.sock"))
 */
export const layerDriver = (
  options: DockerDriverOptions = {},
): Layer.Layer<SandboxDriver, InvalidInput, DockerEngine> =>
  Layer.effect(SandboxDriver, makeDriver(options))

const makeDriver = Effect.fnUntraced(function* (options: DockerDriverOptions) {
  const engine = yield* DockerEngine
  const subnets = yield* parsePool(options.subnetPool ?? "10.213.0.0/16")
  const warm = yield* warmPoolOptions(options.warmPool)
  const ulimits = yield* ulimitsOf(options.ulimits)
  const host = yield* makeHost(engine, options)
  const containers = yield* makeContainers(engine)
  const { connections, files, hub, usageOf } = containers
  const background = yield* makeBackground
  const images = makeImages(engine)
  const egress = makeEgress(engine, images, options.egress)
  const snapshots = makeSnapshots(engine)
  const diskLimits = makeDiskLimits()
  const networks = makeNetworksAhead(engine, subnets, warm?.networks ?? (warm ? 2 : 0))
  const makeContainer = makeCreation({
    engine,
    connections,
    files,
    subnets,
    egress,
    proxyRuntime: Effect.map(host.runtimes, (offered) => offered.get("runc")?.name),
    networkAhead: networks.take,
    ulimits,
    cpuSets: yield* makeCpuSets(engine, host.info, options.cpusets ?? true),
    podman: host.podman,
    linkLocal: options.linkLocal,
  })
  const warmPool =
    warm && (yield* makeWarmPool(engine, makeContainer, networks, connections.isConnected, warm))

  const lookup = makeLookup(engine)
  const locator = makeLocator<Target, Containers, SandboxNotFound | HostError>({
    endpoint: engine.endpoint,
    find: (id) => Effect.map(lookup.find(id), ({ target }) => target),
    incarnationOf: ({ instanceId }) => instanceId,
    at: () => Effect.succeed(containers),
  })
  const { forget, remember } = locator
  const look = (id: SandboxId) =>
    Effect.suspend(() => lookup.find(id, locator.known(id)?.instanceId))
  const find = (id: SandboxId) => Effect.map(look(id), ({ sandbox }) => sandbox)
  const sweeper = makeSweeper(engine, snapshots)
  const remove = makeRemove({
    engine,
    connections,
    lookup,
    snapshots,
    sweeper,
    background,
    forget,
  })

  return SandboxDriver.of({
    ...containerMembers("DockerDriver", locator),
    ...makeStates({ host, connections, egress, locator, find }),
    ...makeSnapshotMembers({ host, snapshots, locator, find }),
    capabilities: makeCapabilities(host, diskLimits),
    create: makeCreate({
      host,
      images,
      egress,
      diskLimits,
      makeContainer,
      warmPool,
      remember,
      remove,
    }),
    remove,
    inspect: Effect.fnUntraced(function* (id) {
      const sandbox = yield* find(id)
      return sandbox.status === "running"
        ? { ...sandbox, ...(yield* usageOf(sandbox.instanceId)) }
        : sandbox
    }),
    list: Effect.fn("DockerDriver.list")(lookup.list),
    egressAttempts: (id) => Effect.flatMap(look(id), ({ network }) => egress.attempts(network)),
    events: hub.events,
    sweep: sweeper.all,
  })
})
