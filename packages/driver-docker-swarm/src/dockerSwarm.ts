import {
  checkInput,
  type EngineUnreachable,
  InvalidInput,
  optionNames,
  type Runtime,
  SandboxDriver,
} from "@cordon/core"
import { checkHostId, type WarmPoolOptions, warmPoolOptions } from "@cordon/driver-docker/sandbox"
import type { ConnectionOptions } from "@cordon/driver-docker-remote"
import { connect, connectionOptions } from "@cordon/driver-docker-remote/http"
import { Effect, Layer, Schema } from "effect"
import { makeManager } from "./manager/Manager.ts"
import { makeSwarmDriver } from "./SwarmDriver.ts"

/** Options of a swarm: its managers, the connections to its nodes, and the address range of its networks. */
export interface DockerSwarmOptions extends Omit<ConnectionOptions, "host"> {
  /** Endpoints of the swarm's managers, `tcp://manager-1:2376` and the like; the first that answers is used. */
  readonly managers: ReadonlyArray<string>
  /** Addresses that sandboxes' overlay networks are cut from: `10.214.0.0/16`, which holds 8,192. */
  readonly subnetPool?: string
  /** The daemons' name of a runtime, if it is not one of the usual names. */
  readonly runtimeNames?: Partial<Record<Runtime, string>>
  /**
   * The swarm's name in a lease store that several hosts share. Default: the swarm's own ID. A
   * swarm of cloned machines has the same ID as the original, so give it a name of its own.
   */
  readonly hostId?: string
  /**
   * Whether sandboxes with the network `bridge` reach the nodes' own addresses. Default: false.
   * Name servers there are always reachable, and the port of overlay networks never is.
   */
  readonly nodesReachable?: boolean
  /**
   * Whether sandboxes with the network `bridge` reach link-local addresses (169.254.0.0/16), where
   * clouds serve metadata and credentials. Default: false. Name servers there are always reachable.
   */
  readonly linkLocal?: boolean
  /**
   * Sandboxes that are made before they are asked for: a number of each kind, or more in detail. They take
   * up their nodes' memory and CPU while they wait, and give their place to a creation that finds no other.
   * `CONTAINER_SANDBOX_WARM_POOL` where absent, and none where that is absent too.
   */
  readonly warmPool?: number | SwarmPoolOptions
  /**
   * A repository of a registry that all nodes reach, `registry.example.com/team/snapshots`: snapshots are
   * pushed there, and sandboxes of them run on any node. Without one they run on the node that the snapshot
   * was taken on. Removing a snapshot takes nothing out of the registry.
   */
  readonly snapshotRepository?: string
}

/** As `WarmPoolOptions` of one engine, but for networks: those of a swarm are not made by themselves. */
export type SwarmPoolOptions = Omit<WarmPoolOptions, "networks">

/**
 * Sandboxes on the nodes of a Docker swarm. The swarm places them on nodes whose label
 * `dev.cordon.runtime` names the runtime of their engine. Commands and files go directly to the
 * engine of the node: at the endpoint in its label `dev.cordon.engine`, else at its address and
 * port 2376, with the same certificates as for the managers.
 *
 * @example
 * import { Sandboxes } from "@cordon/core"
 * import { layer } from "@cordon/driver-docker-swarm"
 * import { Layer } from "effect"
 *
 * const driver = layer({ managers: ["tcp://manager-1:2376", "tcp://manager-2:2376"] })
 * const layerLive = Layer.provide(Sandboxes.layer(), driver)
 */
export const layer = (
  options: DockerSwarmOptions,
): Layer.Layer<SandboxDriver, EngineUnreachable | InvalidInput> => {
  checkInput("options of dockerSwarm()", shape, options)
  return layerOf(options)
}

const { host: _, ...connections } = connectionOptions
const shape = optionNames<DockerSwarmOptions>({
  ...connections,
  managers: Schema.Array(Schema.String),
  subnetPool: true,
  runtimeNames: true,
  hostId: true,
  nodesReachable: true,
  linkLocal: true,
  warmPool: Schema.Union([
    Schema.Number,
    optionNames<SwarmPoolOptions>({ size: true, kinds: true }),
  ]),
  snapshotRepository: true,
})

const layerOf = (
  options: DockerSwarmOptions,
): Layer.Layer<SandboxDriver, EngineUnreachable | InvalidInput> =>
  Layer.effect(
    SandboxDriver,
    Effect.gen(function* () {
      const {
        managers = [],
        subnetPool = "10.214.0.0/16",
        runtimeNames = {},
        hostId,
        nodesReachable = false,
        linkLocal = false,
        warmPool,
        snapshotRepository,
        ...connection
      } = options
      yield* checkHostId(hostId)
      const warm = yield* warmPoolOptions(warmPool)
      const [first, ...rest] = managers
      if (first === undefined) {
        return yield* new InvalidInput({
          subject: "managers of the swarm",
          issue: "the list is empty; name at least one, such as tcp://manager-1:2376",
        })
      }
      // With several managers, an unreachable one is given up soon.
      const settings = rest.length > 0 ? { retries: 1, ...connection } : connection
      const reach = (host: string) => connect({ ...settings, host })
      const manager = makeManager([yield* reach(first), ...(yield* Effect.forEach(rest, reach))])
      return yield* makeSwarmDriver(manager, {
        connection,
        subnetPool,
        runtimeNames,
        hostId,
        nodesReachable,
        linkLocal,
        warm: warm?.size === 0 ? undefined : warm,
        snapshotRepository,
      })
    }),
  )

/**
 * The driver for `createSandboxes({ driver: dockerSwarm({ managers }) })`; the same as {@link layer}.
 *
 * @example
 * import { createSandboxes } from "@cordon/core"
 * import { dockerSwarm } from "@cordon/driver-docker-swarm"
 *
 * const driver = dockerSwarm({ managers: ["tcp://manager-1:2376"] })
 * await using sandboxes = createSandboxes({ driver })
 */
export const dockerSwarm = layer
