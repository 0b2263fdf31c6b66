import { EngineUnreachable, type HostError } from "@cordon/core"
import type { schemas } from "@cordon/driver-docker/engine"
import {
  type Connections,
  type ContainerFiles,
  type ContainerProcesses,
  type EventHub,
  judgeLoss,
  makeCommands,
  makeConnections,
  makeContainerFiles,
  makeContainerPorts,
  makeContainerProcesses,
  makeContainerStats,
  makeEventHub,
  makeTerminals,
  makeUsageOf,
  makeUsers,
} from "@cordon/driver-docker/sandbox"
import type { ConnectionOptions } from "@cordon/driver-docker-remote"
import { connect, type EngineHttp, remoteEngine } from "@cordon/driver-docker-remote/http"
import { Cache, Duration, Effect, Exit, RcMap } from "effect"
import type { Node } from "./manager/schemas.ts"
import { makeProcesses } from "./sandbox/processes.ts"
import { attemptLabel } from "./sandbox/service.ts"
import { makeStarts, type Starts } from "./sandbox/starts.ts"

/** What endpoint a node's engine has, where its label does not say: Docker's port for TLS. */
export const engineLabel = "dev.cordon.engine"
const enginePort = 2376

/** A manager may know itself by no address but the one it gave the others. */
export const endpointOf = (node: Node): string => {
  const { Addr = "" } = node.Status
  const own = node.ManagerStatus?.Addr?.replace(/:\d+$/, "") ?? ""
  const address = Addr === "" || Addr === "0.0.0.0" ? own : (Addr ?? "")
  const host = address.includes(":") && !address.startsWith("[") ? `[${address}]` : address
  return node.Spec.Labels?.[engineLabel] ?? `tcp://${host}:${enginePort}`
}

/** The engine of one node, and what is done there: commands, files, processes. */
export interface NodeEngine {
  readonly http: EngineHttp
  readonly engine: ReturnType<typeof remoteEngine>
  readonly hub: EventHub
  readonly starts: Starts
  /** Images by their IDs, which stand for one image for ever. */
  readonly images: (id: string) => Effect.Effect<schemas.ImageInspect, HostError>
  readonly connections: Connections
  readonly exec: ReturnType<typeof makeCommands>
  readonly terminal: ReturnType<typeof makeTerminals>
  readonly files: ContainerFiles
  readonly ports: ReturnType<typeof makeContainerPorts>
  readonly stats: ReturnType<typeof makeContainerStats>
  /** Background processes. */
  readonly kept: ContainerProcesses
  readonly usageOf: ReturnType<typeof makeUsageOf>
  readonly identify: ReturnType<typeof makeUsers>
  readonly processes: ReturnType<typeof makeProcesses>
}

/** Many sandboxes are of few images. */
const makeImageLook = (engine: NodeEngine["engine"]) =>
  Effect.map(
    Cache.makeWith(engine.imageInspect, {
      capacity: 64,
      timeToLive: (exit) => (Exit.isSuccess(exit) ? Duration.infinity : 0),
    }),
    (cache) => (id: string) => Cache.get(cache, id),
  )

/**
 * Connections to the engines of nodes, made on first use. They are kept, since those to sandboxes go
 * over them: a sandbox without any ends after its removal time.
 */
export const makeNodeEngines = (options: Omit<ConnectionOptions, "host">) =>
  RcMap.make({
    lookup: Effect.fnUntraced(function* (host: string) {
      const http = yield* connect({ ...options, host }).pipe(
        Effect.catchTag("InvalidInput", ({ message }) =>
          Effect.fail<HostError>(new EngineUnreachable({ endpoint: host, reason: message })),
        ),
      )
      const engine = remoteEngine(http)
      const connections = yield* makeConnections(engine, {
        end: (instanceId) => processes.end(instanceId),
      })
      const processes = makeProcesses(engine, http, connections)
      const starts = makeStarts()
      const hub = yield* makeEventHub(engine, {
        ...connections,
        started: (attributes) => starts.started(attributes[attemptLabel]),
      })
      // A task's container is not started anew.
      const using = { engine, hub, connections, judgeLoss: judgeLoss(engine, hub) }
      const files = makeContainerFiles(engine, connections)
      const node: NodeEngine = {
        http,
        engine,
        hub,
        starts,
        images: yield* makeImageLook(engine),
        connections,
        exec: makeCommands(using),
        terminal: makeTerminals(using),
        files,
        ports: makeContainerPorts(engine, connections),
        stats: makeContainerStats(files),
        kept: makeContainerProcesses(using),
        usageOf: makeUsageOf(connections),
        identify: makeUsers(engine, connections),
        processes,
      }
      return node
    }),
    idleTimeToLive: Duration.infinity,
  })
