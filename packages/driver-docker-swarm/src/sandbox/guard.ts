import { EngineError, type HostError } from "@cordon/core"
import type { EngineClient } from "@cordon/driver-docker/engine"
import { schemas } from "@cordon/driver-docker/engine"
import { initPath } from "@cordon/driver-docker/sandbox"
import { Effect, Schema } from "effect"
import type { Node } from "../manager/schemas.ts"
import { endpointOf, type NodeEngine } from "../NodeEngines.ts"

// The default port for packets of overlay networks between nodes.
const defaultPort = 4789

// The addresses at which clouds serve metadata and credentials.
const linkLocalAddresses = "169.254.0.0/16"

const Ended = Schema.Struct({ StatusCode: Schema.Number })

const Bridges = Schema.Array(
  Schema.Struct({
    IPAM: Schema.optionalKey(
      Schema.NullishOr(
        Schema.Struct({
          Config: Schema.optionalKey(
            Schema.NullishOr(
              Schema.Array(
                Schema.Struct({ Gateway: Schema.optionalKey(Schema.NullishOr(Schema.String)) }),
              ),
            ),
          ),
        }),
      ),
    ),
  }),
)

const isAddress = (text: string | undefined): text is string =>
  text !== undefined && /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text !== "0.0.0.0"

/** The addresses (IPv4) by which nodes are known to each other and to us. */
const addressesOf = (nodes: ReadonlyArray<Node>): ReadonlyArray<string> =>
  nodes
    .flatMap((node) => [
      node.Status.Addr ?? undefined,
      node.ManagerStatus?.Addr?.replace(/:\d+$/, ""),
      /^\w+:\/\/([^/:]+)/.exec(endpointOf(node))?.[1],
    ])
    .filter(isAddress)

/** A node's own addresses on its bridges. */
const gatewaysOn = (http: EngineClient) =>
  Effect.map(
    http.ask(
      {
        operation: "list networks",
        method: "GET",
        path: "/networks",
        query: { filters: JSON.stringify({ driver: ["bridge"] }) },
      },
      Bridges,
    ),
    (bridges) =>
      bridges
        .flatMap(({ IPAM }) => (IPAM?.Config ?? []).map(({ Gateway }) => Gateway ?? undefined))
        .filter(isAddress),
  )

const operation = "close the way to the nodes"
const name = "cordon-guard"
const guardLabel = "dev.cordon.guard"

/** A container that lives for as long as the rules take, in the network of another one. */
const helper = (options: {
  readonly container: string
  readonly image: string
  readonly arguments: ReadonlyArray<string>
}) => ({
  Image: options.image,
  Entrypoint: [initPath],
  Cmd: ["guard", ...options.arguments],
  User: "0",
  Labels: { [guardLabel]: "1" },
  Healthcheck: { Test: ["NONE"] },
  HostConfig: {
    // The node's default may be gVisor, which ignores such rules.
    Runtime: "runc",
    NetworkMode: `container:${options.container}`,
    CapDrop: ["ALL"],
    CapAdd: ["NET_ADMIN"],
    SecurityOpt: ["no-new-privileges"],
    LogConfig: { Type: "none", Config: {} },
    Memory: 32 * 1024 ** 2,
    PidsLimit: 8,
    Init: false,
  },
})

/**
 * Closes the ways from a sandbox with a way out to its swarm: to the port of overlay networks, wherever,
 * to the nodes' own addresses, and to link-local ones. A container of a moment does it in the sandbox's own network namespace,
 * with a right that nothing in the sandbox has. It must be done before anything runs there.
 */
export const guardNodes = Effect.fn("guardNodes")(function* (
  { http, engine, connections }: Pick<NodeEngine, "http" | "engine" | "connections">,
  container: string,
  image: schemas.ImageInspect,
  options: {
    readonly port: number | undefined
    /** Those that are closed altogether; none where the operator lets sandboxes reach them. */
    readonly nodes: ReadonlyArray<Node>
    /** Whether the sandbox reaches link-local addresses. */
    readonly linkLocal: boolean
  },
): Effect.fn.Return<void, HostError> {
  const { port, nodes, linkLocal } = options
  const own = nodes.length === 0 ? [] : yield* gatewaysOn(http)
  const body = helper({
    container,
    image: image.Id,
    arguments: [
      String(port || defaultPort),
      ...(linkLocal ? [] : [linkLocalAddresses]),
      ...new Set([...own, ...addressesOf(nodes)]),
    ],
  })
  const made = http.ask(
    {
      operation,
      method: "POST",
      path: "/containers/create",
      query: { name: `${name}-${container.slice(0, 12)}` },
      body,
    },
    schemas.Created,
  )
  const code = yield* Effect.acquireUseRelease(
    made,
    ({ Id }) =>
      connections.putInit(Id, image).pipe(
        Effect.andThen(engine.containerStart(Id)),
        Effect.andThen(
          // Returns at once if it has already ended.
          http.ask(
            { operation, method: "POST", path: `/containers/${encodeURIComponent(Id)}/wait` },
            Ended,
          ),
        ),
        Effect.map(({ StatusCode }) => StatusCode),
      ),
    ({ Id }) => Effect.ignore(engine.containerRemove(Id)),
  )
  if (code !== 0) {
    const detail = `the kernel took no rules for the sandbox's network (exit code ${code})`
    return yield* EngineError.notDone(operation, detail)
  }
})

/**
 * Removes the remains of programs that died during this, if they were made before that time
 * (seconds since the epoch).
 */
export const sweepGuards = Effect.fnUntraced(function* (
  { engine }: Pick<NodeEngine, "engine">,
  before: number,
) {
  const left = yield* engine.containerList({ label: [guardLabel] })
  yield* Effect.forEach(
    left.filter(({ Created }) => Created < before),
    ({ Id }) => Effect.ignore(engine.containerRemove(Id)),
    { discard: true },
  )
})
