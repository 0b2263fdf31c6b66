/**
 * Maps the status and the message of an engine's refusal to a reason. No other code reads either.
 * Engines are Docker from 20.10 on, Podman, and the managers of swarms.
 */
import type { EngineReason } from "@cordon/core"

/** The operation of a call, as its errors name it: "The container engine failed to ...". */
export type Operation =
  | "read the engine's version"
  | "read the engine's capabilities"
  | "agree on an API version"
  | "watch events"
  | "inspect an image"
  | "list images"
  | "pull an image"
  | "remove an image"
  | "create a network"
  | "list networks"
  | "inspect a network"
  | "connect a network"
  | "leave a network"
  | "remove a network"
  | "create a container"
  | "rename a container"
  | "inspect a container"
  | "list containers"
  | "read a container's log"
  | "look into a container"
  | "put files into a container"
  | "attach to a container"
  | "start a container"
  | "stop a container"
  | "kill a container"
  | "signal a container"
  | "pause a container"
  | "resume a container"
  | "limit swap"
  | "snapshot a container"
  | "remove a container"
  | "prepare a command"
  | "start a command"
  | SwarmOperation

type SwarmOperation = (typeof swarmOperations)[number]
const swarmOperations = [
  "look at the swarm",
  "list the swarm's nodes",
  "watch the swarm's events",
  "create a service",
  "inspect a service",
  "list services",
  "label a service",
  "remove a service",
  "inspect a task",
  "list tasks",
  "ask a registry",
  "push a snapshot",
  "close the way to the nodes",
] as const

type Reason = EngineReason["_tag"]

/** A rule for one reason. An absent field matches everything. */
interface Row {
  readonly reason: Reason
  readonly status?: number | "5xx"
  readonly to?: ReadonlyArray<Operation>
  readonly says?: RegExp
}

const starting: ReadonlyArray<Operation> = [
  "create a container",
  "attach to a container",
  "start a container",
]

const needRunning: ReadonlyArray<Operation> = [
  "attach to a container",
  "look into a container",
  "put files into a container",
  "prepare a command",
  "start a command",
  "stop a container",
  "kill a container",
  "signal a container",
  "pause a container",
  "resume a container",
  "snapshot a container",
]

/** The calls of the swarm API, and those that both managers and engines answer. */
const ofManagers: ReadonlyArray<Operation> = [
  ...swarmOperations,
  "read the engine's version",
  "read the engine's capabilities",
  "create a network",
  "inspect a network",
  "list networks",
  "remove a network",
]

/** The first row that matches decides the reason. */
const rows: ReadonlyArray<Row> = [
  { status: 304, reason: "NotModified" },
  { status: 400, says: /client version .* is too/, reason: "ApiVersion" },

  // Messages that mean the same with every status.
  { says: /no space left on device|disk quota exceeded/i, reason: "NoSpace" },
  { to: starting, says: /cpuset|requested CPUs/i, reason: "CpusRefused" },
  { to: starting, says: /storage[- ]opt/i, reason: "DiskLimitRefused" },
  { to: starting, says: /setting rlimit/, reason: "UlimitsRefused" },
  {
    to: starting,
    says: /network .*not found|unable to find network/i,
    reason: "NetworkNotFound",
  },
  { to: ["create a network"], says: /already exists|existing object/i, reason: "NameTaken" },
  {
    to: ["create a network"],
    says: /overlap|in use|already used on|conflicts with/i,
    reason: "SubnetTaken",
  },
  {
    to: ["remove a network"],
    says: /active endpoints|is being used|in use/i,
    reason: "InUse",
  },
  { to: ["resume a container"], says: /is not paused/, reason: "Conflict" },
  { to: ["label a service"], says: /out of sequence/, reason: "Outdated" },

  { status: 404, reason: "NotFound" },

  {
    status: 409,
    to: ["create a container", "rename a container", "create a network", "create a service"],
    reason: "NameTaken",
  },
  { status: 409, to: ["remove an image", "remove a network"], reason: "InUse" },
  {
    status: 409,
    to: ["remove a container"],
    says: /already in progress/,
    reason: "InProgress",
  },
  { status: 409, to: needRunning, says: /paused/i, reason: "Paused" },
  { status: 409, to: needRunning, reason: "NotRunning" },
  { status: 409, reason: "Conflict" },

  // Docker, of a container that ended after the command was prepared.
  { status: 500, to: needRunning, says: /is not running/, reason: "NotRunning" },

  // Podman answers 500 to many errors for which Docker has a specific status.
  { status: 500, says: /that name is already in use/, reason: "NameTaken" },
  { status: 500, says: /no such container/, reason: "NotFound" },
  { status: 500, says: /image is in use/, reason: "InUse" },
  { status: 500, to: needRunning, says: /paused.*container state improper/i, reason: "Paused" },
  { status: 500, to: needRunning, says: /container state improper/, reason: "NotRunning" },
  { status: 500, says: /container state improper/, reason: "Conflict" },

  { status: 503, says: /not a swarm manager/i, reason: "NotManager" },
  {
    status: "5xx",
    to: ofManagers,
    // Seen while managers elect a leader, or forward a call to a manager that has just gone.
    says: /does not have a leader|code = Unavailable|deadline ?exceeded|transport is closing|connection (refused|error)|lost leadership|raft/i,
    reason: "NoLeader",
  },
]

const fits = (row: Row, operation: Operation, status: number, detail: string) =>
  (row.status === undefined ||
    row.status === (status >= 500 ? "5xx" : status) ||
    row.status === status) &&
  (row.to === undefined || row.to.includes(operation)) &&
  (row.says === undefined || row.says.test(detail))

/** The reason why an engine refused a call. @param detail the engine's message */
export const reasonOf = (operation: Operation, status: number, detail: string): EngineReason => ({
  _tag:
    rows.find((row) => fits(row, operation, status, detail))?.reason ??
    (status < 500 ? "Rejected" : "Failed"),
})
