import { type HostError, Runtime } from "@cordon/core"
import { Effect, Schema, type Scope } from "effect"
import type { Node } from "../manager/schemas.ts"
import { endpointOf, type NodeEngine } from "../NodeEngines.ts"
import type { At } from "./lookup.ts"
import { nodeRuntime } from "./service.ts"

const isRuntime = Schema.is(Runtime)

/** A node with its engine. */
export interface ReachedNode extends NodeEngine {
  readonly node: Node
  /** The endpoint of its engine. */
  readonly host: string
}

/** The nodes that sandboxes run on. */
export interface Nodes {
  /** The engines of all nodes that take sandboxes and that the managers call ready. */
  readonly reachable: (
    nodes: ReadonlyArray<Node>,
  ) => Effect.Effect<ReadonlyArray<ReachedNode>, HostError, Scope.Scope>
}

export const makeNodes = (at: At): Nodes => ({
  reachable: Effect.fnUntraced(function* (nodes) {
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
