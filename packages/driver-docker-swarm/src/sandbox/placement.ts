import {
  type CreateError,
  EngineError,
  formatMemory,
  type HostError,
  QuotaExceeded,
  Runtime,
  type SandboxSpec,
} from "@cordon/core"
import { pullFailure } from "@cordon/driver-docker/sandbox"
import { Clock, Effect } from "effect"
import type { Manager } from "../manager/Manager.ts"
import type { Node, Task } from "../manager/schemas.ts"
import { attemptLabel, nodeRuntime } from "./service.ts"

type Spec = Omit<SandboxSpec, "name">

/** Whether the swarm wants the task to run. */
const wanted = (task: Task) => ["running", "ready", "accepted"].includes(task.DesiredState)

const underWay = [
  "new",
  "allocated",
  "pending",
  "assigned",
  "accepted",
  "preparing",
  "ready",
  "starting",
]

/** The status of a sandbox, from its task. */
export const statusOf = (task: Task | undefined, node: Node | undefined) => {
  if (task === undefined) return "created"
  // Only `down` counts: just after an election the new leader has not heard from any node.
  if (!wanted(task) || node?.Status.State === "down") return "stopped"
  if (task.Status.State === "running") return "running"
  return underWay.includes(task.Status.State) ? "created" : "stopped"
}

/** Nodes that take sandboxes of a runtime, now or when they are back. */
export const nodesFor = (nodes: ReadonlyArray<Node>, runtime: string) =>
  nodes.filter(({ Spec }) => Spec.Labels?.[nodeRuntime] === runtime)

/** The runtimes that some node of a swarm takes sandboxes of. */
export const runtimesOf = (nodes: ReadonlyArray<Node>): ReadonlyArray<Runtime> =>
  Runtime.literals.filter((runtime) => nodesFor(nodes, runtime).length > 0)

export const isReady = ({ Spec, Status }: Node) =>
  Spec.Availability === "active" && Status.State === "ready"

const mayBecomeReady = ({ Spec, Status }: Node) =>
  Spec.Availability === "active" && ["ready", "unknown"].includes(Status.State)

/** The error for a swarm whose suitable nodes have no room for another sandbox. */
const full = (spec: Spec, nodes: ReadonlyArray<Node>) => {
  const able = nodesFor(nodes, spec.runtime).filter(isReady)
  const sum = (of: (node: Node) => number | null | undefined) =>
    able.reduce((total, node) => total + (of(node) ?? 0), 0)
  const cores = sum(({ Description }) => Description.Resources.NanoCPUs) / 1e9
  const memory = sum(({ Description }) => Description.Resources.MemoryBytes)
  return new QuotaExceeded({
    resource: `cores and ${formatMemory(memory)} of memory of the swarm's ${able.length} nodes for ${spec.runtime} (this one asked for ${spec.limits.cpus} and ${formatMemory(spec.limits.memory)})`,
    limit: cores,
  })
}

const takenBack = "begin a sandbox"

/**
 * Whether a swarm withdrew a task that had not run: a newly elected leader knows no node for a
 * moment, and withdraws tasks that are assigned to one.
 */
export const isTakenBack = (error: CreateError): boolean =>
  error._tag === "EngineError" && error.operation === takenBack

const notNow = (spec: Spec, detail: string) =>
  new EngineError({
    operation: "place a sandbox",
    reason: { _tag: "Failed" },
    detail: `no node of the swarm that offers ${spec.runtime} accepts a sandbox now: ${detail}`,
  })

const refused = (spec: Spec, task: Task): Effect.Effect<never, CreateError> => {
  const { Err, Message, State } = task.Status
  if (underWay.includes(State)) {
    const detail = `the swarm took its task back before it began (${State} on node ${task.NodeID ?? "none"}); try again`
    return Effect.fail(
      new EngineError({ operation: takenBack, reason: { _tag: "Failed" }, detail }),
    )
  }
  const detail = (Err ?? "") || (Message ?? "") || `its task is ${State}`
  if (/pull|registry|image|manifest|repository/i.test(detail)) {
    return pullFailure(spec.image, detail)
  }
  return Effect.fail(
    new EngineError({ operation: "start a sandbox", reason: { _tag: "Failed" }, detail }),
  )
}

// A new leader has not heard of its nodes for some seconds ("unknown"), then they are back or "down".
const patience = 20_000

// A sandbox that is being removed frees its place within this time, unless its node has problems.
const leaving = 15_000
// Then the swarm tries again to place waiting tasks.
const retried = 1500

// Most tasks run within this time, in milliseconds. After it, checks are less frequent.
const quick = 3000
const slowPace = 250

/** Whether a sandbox is just leaving a node and makes room there. */
const makesRoom = Effect.fnUntraced(function* (manager: Manager, nodes: ReadonlyArray<Node>) {
  const ready = new Set(nodes.filter(isReady).map(({ ID }) => ID))
  const tasks = yield* manager.taskList({ label: [attemptLabel] })
  return tasks.some(
    ({ DesiredState, NodeID }) => DesiredState === "remove" && ready.has(NodeID ?? ""),
  )
})

/** Waits until a service's task runs, or fails with why it will not. */
export const awaitTask = Effect.fn("awaitTask")(function* (
  manager: Manager,
  task: Effect.Effect<Task | undefined, HostError>,
  spec: Spec,
  /** Runs with each look that finds it on a node. */
  onNode: (task: Task, node: string) => Effect.Effect<void>,
  /** When this program's last removal gave a place away, in milliseconds since the epoch. */
  lastLeft: () => number,
): Effect.fn.Return<Task, CreateError> {
  const begun = yield* Clock.currentTimeMillis
  let homeless: number | undefined
  let roomAt = 0
  const look = Effect.gen(function* () {
    const found = yield* task
    if (found === undefined) return undefined
    const { State, Err } = found.Status
    if (State === "running") {
      yield* onNode(found, found.NodeID ?? "")
      return found
    }
    if (!underWay.includes(State) || !wanted(found)) return yield* refused(spec, found)
    if (found.NodeID) yield* onNode(found, found.NodeID)
    if (State !== "pending" || !/no suitable node/i.test(Err ?? "")) return undefined
    const nodes = yield* manager.nodes
    const lacksRoom = /insufficient resources/i.test(Err ?? "")
    const able = nodesFor(nodes, spec.runtime).filter(mayBecomeReady)
    const now = yield* Clock.currentTimeMillis
    homeless ??= now
    const waited = now - homeless
    // Each node that could take it was asked, or had enough time to be asked.
    const asked = !/not available/i.test(Err ?? "") || able.length < 1 || waited > patience
    if (lacksRoom && (asked || waited > 2000)) {
      if (waited < leaving && (yield* makesRoom(manager, nodes))) roomAt = now
      if (now - Math.max(roomAt, lastLeft()) < retried) return undefined
      return yield* full(spec, nodes)
    }
    if (asked && waited > 1000) return yield* notNow(spec, Err ?? "")
    return undefined
  })
  // Pulling an image may take long.
  const rest = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.sleep(now - begun < quick ? 0 : slowPace),
  )
  const running = yield* look.pipe(
    Effect.tap((found) => (found === undefined ? rest : Effect.void)),
    Effect.repeat({ until: (found) => found !== undefined }),
  )
  return running ?? (yield* notNow(spec, "its task is gone"))
})
