import { EngineUnreachable, type HostError } from "@cordon/core"
import type { DockerEngine } from "@cordon/driver-docker"
import { dockerEngine, type EngineClient, type schemas } from "@cordon/driver-docker/engine"
import { type Containers, makeContainers } from "@cordon/driver-docker/sandbox"
import type { ConnectionOptions } from "@cordon/driver-docker-remote"
import { connect } from "@cordon/driver-docker-remote/http"
import { Cache, Duration, Effect, Exit, RcMap } from "effect"
import type { Node } from "./manager/schemas.ts"
import { type InPlace, makeInPlace } from "./sandbox/inPlace.ts"
import { attemptLabel } from "./sandbox/service.ts"
import { makeStarts, type Starts } from "./sandbox/starts.ts"

/** The endpoint of a node's engine if the node has no label: Docker's TLS port. */
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

/** The engine of one node, with the operations in its containers. */
export interface NodeEngine extends Containers {
  readonly http: EngineClient
  readonly engine: DockerEngine["Service"]
  /** News of the containers that start there. */
  readonly starts: Starts
  /** Images by their IDs, which stand for one image for ever. */
  readonly images: (id: string) => Effect.Effect<schemas.ImageInspect, HostError>
  /** Stopping and pausing. */
  readonly inPlace: InPlace
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
      const engine = dockerEngine(http)
      const starts = makeStarts()
      const containers = yield* makeContainers(engine, {
        end: (instanceId) => inPlace.end(instanceId),
        started: (labels) => starts.started(labels[attemptLabel]),
      })
      const inPlace = makeInPlace(engine, http, containers)
      const images = yield* makeImageLook(engine)
      const node: NodeEngine = { ...containers, http, engine, starts, images, inPlace }
      return node
    }),
    idleTimeToLive: Duration.infinity,
  })
