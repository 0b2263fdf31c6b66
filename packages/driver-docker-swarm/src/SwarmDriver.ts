import { type Runtime, SandboxDriver, unsupportedFeatures } from "@cordon/core"
import {
  containerMembers,
  defaultRuntimeNames,
  makeBackground,
  makeLocator,
  parsePool,
  type WarmPoolOptions,
} from "@cordon/driver-docker/sandbox"
import type { ConnectionOptions } from "@cordon/driver-docker-remote"
import { Effect, RcMap } from "effect"
import type { Manager } from "./manager/Manager.ts"
import { makeNodeEngines, type NodeEngine } from "./NodeEngines.ts"
import { makeCapabilities } from "./sandbox/capabilities.ts"
import { makeCreate } from "./sandbox/create.ts"
import { makeEvents } from "./sandbox/events.ts"
import { makeFinish } from "./sandbox/finish.ts"
import { makeInspect } from "./sandbox/inspect.ts"
import { makeList } from "./sandbox/list.ts"
import { type At, type LocateError, makeLookup, type Place } from "./sandbox/lookup.ts"
import { makeCreation } from "./sandbox/makeService.ts"
import { makeNodes } from "./sandbox/nodes.ts"
import { makeRegistry } from "./sandbox/registry.ts"
import { makeRemoval } from "./sandbox/removal.ts"
import { makeRemove } from "./sandbox/remove.ts"
import { makeSwarmSnapshots } from "./sandbox/snapshots.ts"
import { makeStates } from "./sandbox/states.ts"
import { makeSweeper } from "./sandbox/sweep.ts"
import { makeSwarmPool } from "./sandbox/warm.ts"

export interface SwarmDriverOptions {
  readonly connection: Omit<ConnectionOptions, "host">
  readonly subnetPool: string
  readonly runtimeNames: Partial<Record<Runtime, string>>
  readonly hostId: string | undefined
  /** Whether sandboxes with the network `bridge` reach the nodes' own addresses. */
  readonly nodesReachable: boolean
  /** Whether these sandboxes reach link-local addresses. */
  readonly linkLocal: boolean
  readonly warm: WarmPoolOptions | undefined
  /** The repository to which snapshots are pushed. */
  readonly snapshotRepository: string | undefined
}

/** Sandboxes as services of a swarm, which places them; used through the engine of their node. */
export const makeSwarmDriver = Effect.fnUntraced(function* (
  manager: Manager,
  options: SwarmDriverOptions,
) {
  const pool = yield* parsePool(options.subnetPool)
  const engines = yield* makeNodeEngines(options.connection)
  const images = makeRegistry(manager)
  const at: At = (host) => RcMap.get(engines, host)
  const nodes = makeNodes(at)
  const lookup = makeLookup(manager)
  const locator = makeLocator<Place, NodeEngine, LocateError>({
    endpoint: manager.endpoint,
    find: lookup.find,
    incarnationOf: ({ service }) => service,
    at: ({ host }) => at(host),
    explain: lookup.explain,
  })
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
    nodes,
    lookup,
    namesOf,
    repository: options.snapshotRepository,
  })
  const sweeper = makeSweeper({ manager, nodes, removal, snapshots })
  const remove = makeRemove({ lookup, locator, removal, snapshots, sweeper })

  return SandboxDriver.of({
    ...unsupportedFeatures("docker-swarm"),
    ...containerMembers("SwarmDriver", locator),
    ...makeStates(manager, at, lookup, locator),
    capabilities: makeCapabilities(manager, nodes, finish, { ...options, namesOf }),
    create: makeCreate({
      manager,
      images,
      creation,
      removal,
      snapshots,
      warm,
      remember: locator.remember,
      remove,
    }),
    remove,
    inspect: makeInspect(lookup, at),
    list: makeList(manager),
    snapshot: snapshots.take,
    snapshots: snapshots.list,
    removeSnapshot: snapshots.remove,
    events: makeEvents(manager, nodes),
    sweep: sweeper.all,
  })
})
