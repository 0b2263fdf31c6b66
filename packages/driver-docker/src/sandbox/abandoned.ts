/** The rules by which something on an engine is abandoned: no I/O. */
import type { SandboxInfo, SnapshotInfo } from "@cordon/core"
import { Duration, Option } from "effect"
import { familiar, networkOf } from "../engine/podman.ts"
import type { ContainerSummary, NetworkSummary } from "../engine/schemas.ts"
import { aheadSince, networkOfProxy } from "./names.ts"

/** What an engine lists of ours. Networks are listed before containers, or a new one seems to have no container. */
export interface Inventory {
  /** Milliseconds since the epoch by the engine's clock, which dates networks, proxies and snapshots. */
  readonly now: number
  /** Milliseconds since the epoch by this program's clock: programs date what they make ahead by theirs. */
  readonly ours: number
  readonly networks: ReadonlyArray<NetworkSummary>
  readonly containers: ReadonlyArray<ContainerSummary>
  /** Those that go with the sandbox that is made from them. */
  readonly passingSnapshots: ReadonlyArray<SnapshotInfo>
}

/** Something that no program can have a use for any more. */
export type Abandoned = {
  /** The name by which the engine has it. */
  readonly name: string
  /** Why it is abandoned, for people: `it has no sandbox`. */
  readonly reason: string
} & (
  | { readonly kind: "container"; readonly network: string | undefined }
  | { readonly kind: "network" }
  | { readonly kind: "proxy"; readonly network: string }
  | { readonly kind: "snapshot"; readonly snapshot: SnapshotInfo }
)

/** A snapshot waits at most this long for the sandbox that is made from it. */
export const forking = Duration.minutes(10)

const nameOf = ({ Names: [name = ""] }: ContainerSummary) => name.replace("/", "")

/** The networks of sandboxes, and of containers that wait to be one. Proxies alone keep no network. */
const networksInUse = (containers: ReadonlyArray<ContainerSummary>) =>
  new Set(
    containers
      .filter((container) => networkOfProxy(nameOf(container)) === undefined)
      .map(networkOf),
  )

const isOld = (since: number, now: number, olderThan: Duration.Duration) =>
  now - since >= Duration.toMillis(olderThan)

/** Networks without a sandbox. A younger one may be waiting for its sandbox. */
export const abandonedNetworks = (
  { now, networks, containers }: Pick<Inventory, "now" | "networks" | "containers">,
  olderThan: Duration.Duration,
): ReadonlyArray<Abandoned> => {
  const inUse = networksInUse(containers)
  return networks
    .filter(({ Name, Created }) => !inUse.has(Name) && isOld(Date.parse(Created), now, olderThan))
    .map(({ Name }) => ({ kind: "network", name: Name, reason: "it has no sandbox" }))
}

/** Proxies of networks without a sandbox. */
const abandonedProxies = (
  { now, containers }: Inventory,
  olderThan: Duration.Duration,
): ReadonlyArray<Abandoned> => {
  const inUse = networksInUse(containers)
  return containers.flatMap((container) => {
    const name = nameOf(container)
    const network = networkOfProxy(name)
    if (network === undefined || inUse.has(network)) return []
    if (!isOld(container.Created * 1000, now, olderThan)) return []
    return [{ kind: "proxy", name, network, reason: "its sandbox is gone" }]
  })
}

/** Containers of warm pools whose program no longer renews their names. */
const abandonedAhead = (
  { ours, containers }: Inventory,
  olderThan: Duration.Duration,
): ReadonlyArray<Abandoned> =>
  containers
    .filter((container) =>
      Option.exists(aheadSince(nameOf(container)), (since) => isOld(since, ours, olderThan)),
    )
    .map((container) => ({
      kind: "container",
      name: nameOf(container),
      network: networkOf(container),
      reason: "the program that made it ahead is gone",
    }))

/** Snapshots that go with the sandbox that is made from them, and that none was made from in time. */
export const abandonedSnapshots = (
  { now, containers, passingSnapshots }: Pick<Inventory, "now" | "containers" | "passingSnapshots">,
  olderThan: Duration.Duration,
): ReadonlyArray<Extract<Abandoned, { readonly kind: "snapshot" }>> => {
  const inUse = new Set(containers.map(({ Image }) => familiar(Image)))
  return passingSnapshots
    .filter(({ image }) => !inUse.has(image))
    .filter(({ createdAt }) => isOld(createdAt.getTime(), now, Duration.max(olderThan, forking)))
    .map((snapshot) => ({
      kind: "snapshot",
      name: snapshot.image,
      snapshot,
      reason: "no sandbox was made from it",
    }))
}

/**
 * What a driver's `sweep` removes. The engine's refusal decides about what gets into use meanwhile.
 *
 * @param olderThan age from which something is not just being made
 */
export const abandonedIn = (
  inventory: Inventory,
  olderThan: Duration.Duration,
): ReadonlyArray<Abandoned> => [
  ...abandonedAhead(inventory, olderThan),
  ...abandonedNetworks(inventory, olderThan),
  ...abandonedProxies(inventory, olderThan),
  ...abandonedSnapshots(inventory, olderThan),
]

/** A sandbox that no program can have a use for any more. */
export interface AbandonedSandbox {
  readonly sandbox: SandboxInfo
  readonly reason: string
}

/**
 * Sandboxes that a living program would have removed: stopped for longer than their lease allows, or replaced by
 * another container of the same ID. One that runs is not among them: only the program that uses it knows when it
 * was used last.
 *
 * @param sandboxes all of an engine, oldest first
 * @param stoppedAt by `instanceId`, since when stopped sandboxes are stopped, as far as the engine tells:
 * milliseconds since the epoch
 * @param now milliseconds since the epoch by the engine's clock
 */
export const abandonedSandboxes = (
  sandboxes: ReadonlyArray<SandboxInfo>,
  stoppedAt: ReadonlyMap<string, number>,
  now: number,
): ReadonlyArray<AbandonedSandbox> => {
  const newest = new Map(sandboxes.map((sandbox) => [sandbox.id, sandbox]))
  const isNewest = (sandbox: SandboxInfo) => newest.get(sandbox.id) === sandbox
  const isOverdue = ({ status, instanceId, lease }: SandboxInfo) => {
    const since = stoppedAt.get(instanceId)
    return status === "stopped" && since !== undefined && now - since > lease.removeTimeout
  }
  return [
    ...sandboxes
      .filter((sandbox) => isNewest(sandbox) && isOverdue(sandbox))
      .map((sandbox) => ({
        sandbox,
        reason: "it has been stopped for longer than its lease allows",
      })),
    ...sandboxes
      .filter((sandbox) => !isNewest(sandbox))
      .map((sandbox) => ({
        sandbox,
        reason: "it could not be ended, and another one has been made in its place",
      })),
  ]
}
