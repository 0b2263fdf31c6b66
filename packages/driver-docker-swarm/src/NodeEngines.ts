import { EngineUnreachable, type HostError } from "@cordon/core"
import {
  type EventHub,
  makeEventHub,
  makeExec,
  makeFiles,
  makeLanguages,
  makeTerminal,
  type Target,
} from "@cordon/driver-docker/sandbox"
import type { ConnectionOptions } from "@cordon/driver-docker-remote"
import { connect, type EngineHttp, remoteEngine } from "@cordon/driver-docker-remote/http"
import { Effect, RcMap } from "effect"
import type { Node } from "./manager/schemas.ts"
import { makeProcesses } from "./sandbox/processes.ts"

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
  readonly exec: ReturnType<typeof makeExec>
  readonly terminal: ReturnType<typeof makeTerminal>
  readonly files: ReturnType<typeof makeFiles>
  readonly processes: ReturnType<typeof makeProcesses>
}

/** Connections to the engines of nodes, made on first use and closed some time after the last. */
export const makeNodeEngines = (options: Omit<ConnectionOptions, "host">) =>
  RcMap.make({
    lookup: Effect.fnUntraced(function* (host: string) {
      const http = yield* connect({ ...options, host }).pipe(
        Effect.catchTag("InvalidInput", ({ message }) =>
          Effect.fail<HostError>(new EngineUnreachable({ endpoint: host, reason: message })),
        ),
      )
      const engine = remoteEngine(http)
      const hub = yield* makeEventHub(engine)
      const processes = makeProcesses(engine, http)
      const languages = yield* makeLanguages(engine)
      const end = (target: Target) => processes.end(target.instanceId)
      const exec = makeExec(engine, hub, languages, end)
      const node: NodeEngine = {
        http,
        engine,
        hub,
        exec,
        terminal: makeTerminal(engine, hub, exec, languages),
        files: makeFiles(exec),
        processes,
      }
      return node
    }),
    idleTimeToLive: "5 minutes",
  })
