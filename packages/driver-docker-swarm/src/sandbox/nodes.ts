import { Runtime } from "@cordon/core"
import { Effect, Schema } from "effect"
import type { Node } from "../manager/schemas.ts"
import { endpointOf } from "../NodeEngines.ts"
import type { At } from "./places.ts"
import { nodeRuntime } from "./service.ts"

const isRuntime = Schema.is(Runtime)

export const makeNodes = (at: At) => ({
  /** The engines of all nodes that take sandboxes and that the managers call ready. */
  reachable: Effect.fnUntraced(function* (nodes: ReadonlyArray<Node>) {
    const able = nodes.filter(
      (node) => isRuntime(node.Spec.Labels?.[nodeRuntime]) && node.Status.State === "ready",
    )
    return yield* Effect.forEach(
      able,
      (node) =>
        Effect.map(at(endpointOf(node)), (engine) => ({ node, host: endpointOf(node), ...engine })),
      { concurrency: 8 },
    )
  }),
})
export type Nodes = ReturnType<typeof makeNodes>
