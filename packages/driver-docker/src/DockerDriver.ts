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
import { makeBackground } from "./sandbox/background.ts"
import { makeCapabilities } from "./sandbox/capabilities.ts"
import { makeCpuSets } from "./sandbox/cpuSets.ts"
import { makeCreate } from "./sandbox/create.ts"
import { makeDiskLimits } from "./sandbox/diskLimits.ts"
import { makeHost } from "./sandbox/host.ts"
import { makeImages } from "./sandbox/images.ts"
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

/**
 * What a Docker sandbox is, over whatever reaches an engine: one container and one network, found
 * again by their labels, used through commands that run inside.
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
