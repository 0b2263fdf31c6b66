/** The rules that decide whether something on an engine is abandoned. No I/O. */
import type { SandboxInfo, SnapshotInfo } from "@cordon/core"
import { Duration, Option } from "effect"
import { familiar, networkOf } from "../engine/podman.ts"
import type { ContainerSummary, NetworkSummary } from "../engine/schemas.ts"
import { aheadSince, networkOfProxy } from "../names.ts"

/**
 * Cordon's objects on an engine. Networks are listed before containers; otherwise a new network
 * would seem to have no container.
 */
export interface Inventory {
  /** Milliseconds since the epoch by the engine's clock, which dates networks, proxies and snapshots. */
  readonly now: number
  /**
   * Milliseconds since the epoch by this program's clock. Programs date the things that they make
   * ahead by their own clocks.
   */
  readonly ours: number
  readonly networks: ReadonlyArray<NetworkSummary>
  readonly containers: ReadonlyArray<ContainerSummary>
  /** Snapshots that are removed with the sandbox made from them. */
  readonly passingSnapshots: ReadonlyArray<SnapshotInfo>
}

/** Something that no program can use any more. */
export type Abandoned = {
  /** Its name on the engine. */
  readonly name: string
  /** Why it is abandoned, for people: `it has no sandbox`. */
  readonly reason: string
} & (
  | {
      /** A container that a warm pool made ahead. */
      readonly kind: "container"
      /** Its own network, which goes with it; undefined where it has none. */
      readonly network: string | undefined
    }
  | {
      /** A network of a sandbox that is gone. */
      readonly kind: "network"
    }
  | {
      /** The way out of a sandbox that is gone. */
      readonly kind: "proxy"
      /** The network of that sandbox. */
      readonly network: string
    }
  | {
      /** A snapshot that a fork was to be made from. */
      readonly kind: "snapshot"
      /** The snapshot itself. */
      readonly snapshot: SnapshotInfo
    }
)

/** The longest time that a fork's snapshot waits for the sandbox to be made from it. */
export const forking = Duration.minutes(10)

const nameOf = ({ Names: [name = ""] }: ContainerSummary) => name.replace("/", "")

/** The networks of sandboxes and of containers in a warm pool. A proxy alone does not keep a network. */
const networksInUse = (containers: ReadonlyArray<ContainerSummary>) =>
  new Set(
    containers
      .filter((container) => networkOfProxy(nameOf(container)) === undefined)
      .map(networkOf),
  )

const isOld = (since: number, now: number, olderThan: Duration.Duration) =>
  now - since >= Duration.toMillis(olderThan)

/** Networks without a sandbox. A younger network may still be waiting for its sandbox. */
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
      reason: "the program of its warm pool is gone",
    }))

/** Snapshots for a fork from which no sandbox was made in time. */
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
 * The things that a driver's `sweep` removes. The engine refuses to remove anything that comes into
 * use meanwhile.
 *
 * @param olderThan the minimum age; younger things may still be in the making
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

/** A sandbox that no program can use any more. */
export interface AbandonedSandbox {
  /** The sandbox as the engine has it. */
  readonly sandbox: SandboxInfo
  /** Why it is abandoned, for people. */
  readonly reason: string
}

/**
 * Sandboxes that a living program would have removed: stopped for longer than their lease allows,
 * or replaced by another container of the same ID. Running sandboxes are never included: only the
 * program that uses a sandbox knows when it was last used.
 *
 * @param sandboxes all of an engine, oldest first
 * @param stoppedAt the time when each stopped sandbox stopped, by `instanceId`, as far as the
 * engine reports it: milliseconds since the epoch
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
        reason: "it could not be ended, and another sandbox has replaced it",
      })),
  ]
}
