import type { HostCapacity, Limits } from "../values/Limits.ts"
import type { Isolation, Runtime } from "../values/Runtime.ts"

/**
 * Features that a driver may lack: `processes` that outlive the command that started them, `ports` that can be
 * connected to, `pause`, `terminals`, `snapshots`, `stats`, `egress` (allow-lists of destinations), `git` (the
 * image's own, which cloning needs).
 */
export type Feature =
  | "processes"
  | "ports"
  | "pause"
  | "terminals"
  | "snapshots"
  | "stats"
  | "egress"
  | "git"

/** A runtime on offer, as the host has it registered. */
export interface RuntimeOffer {
  /** The runtime's name in a creation. */
  readonly runtime: Runtime
  /** What the runtime puts between a sandbox and the host's kernel. */
  readonly isolation: Isolation
  /**
   * Whether files outlive a stop. Where they don't, the driver refuses to stop a running sandbox,
   * and an idle one runs on until it is removed.
   */
  readonly keepsFiles: boolean
}

/** What a host offers, so that a program can choose before it creates. */
export interface DriverCapabilities {
  /** The driver's own name: `memory`, `docker`. */
  readonly driver: string
  /** The host in words, for people: engine, version and endpoint. */
  readonly host: string
  /**
   * Identifies the host. It is the same in all processes and by all ways to the host: a lease store that several
   * hosts share tells by it which host a sandbox is on.
   */
  readonly hostId: string
  /**
   * Tells hosts with the same `hostId` apart, such as clones of a machine: the host's name, for example. A lease
   * store lets only one of these hosts use the ID.
   */
  readonly hostMark?: string
  /** Runtimes on offer. */
  readonly runtimes: ReadonlyArray<RuntimeOffer>
  /** Which limits are enforced rather than merely recorded. */
  readonly enforced: { readonly [limit in keyof Limits]-?: boolean }
  /** The most that the host can give one sandbox. */
  readonly capacity: HostCapacity
  /** The features that this driver has. */
  readonly features: ReadonlyArray<Feature>
  /** What users of this driver must not rely on, one sentence each. */
  readonly caveats: ReadonlyArray<string>
}
