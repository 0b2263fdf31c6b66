import type { LeaseTerms } from "../values/Sandbox.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import type { SessionKey } from "../values/Session.ts"

/**
 * What a lease says of its sandbox:
 *
 * - `creating`: its place in the quotas is reserved while it is made.
 * - `active`: it is in use, or was used recently.
 * - `idle`: it was stopped because nobody used it. The next use starts it again.
 * - `stopped`: it was stopped on request. Only `start` starts it again.
 * - `removing`: its removal has begun and cannot be called off.
 * - `condemned`: its host could not end it. Its lease has a key of its own (`condemnedId`), so that the
 *   name is free. It is removed as soon as its host can, and counts for the quotas until then.
 */
export type LeasePhase = "creating" | "active" | "idle" | "stopped" | "removing" | "condemned"

/** A sandbox on its host. One store may keep the leases of many hosts. */
export interface LeaseKey {
  /** The host that the sandbox is on: see `DriverCapabilities.hostId`. */
  readonly host: string
  /** The sandbox. */
  readonly id: SandboxId
}

/** A lease to begin. Its resources count for the quotas until it is deleted. */
export interface NewLease extends LeaseKey, LeaseTerms {
  /** The session that the sandbox belongs to. */
  readonly session: SessionKey
  /** The incarnation that is leased (see `SandboxInfo.instanceId`); empty while it is created. */
  readonly instanceId: string
  /** What the lease says of its sandbox. */
  readonly phase: LeasePhase
  /** The sandbox's memory limit, in bytes. */
  readonly memory: number
  /** The sandbox's CPU limit, in cores. */
  readonly cpus: number
  /** The sandbox's limit of disk space, in bytes; 0 if it has none. */
  readonly disk: number
}

/** A lease as its store has it: who may use a sandbox, and since when nobody has. */
export interface Lease extends NewLease {
  /**
   * Fencing token. Each change of what may be done with the sandbox gives the lease a new token, higher
   * than any that the ID ever had. Renewing keeps it.
   */
  readonly token: number
  /**
   * Milliseconds since the last use when this was read, by its host's time (see `LeaseStore.beat`); 0 while
   * it counts as used ahead of time (see `LeaseStore.renew`).
   */
  readonly unusedFor: number
  /** Milliseconds for which nobody else may act on it, by its host's time; 0 if nobody has claimed it. */
  readonly claimedFor: number
}

/** What a change of a lease sets. What is absent stays as it is. */
export interface LeaseChange {
  /** The new phase. */
  readonly phase?: LeasePhase | undefined
  /** The new incarnation. */
  readonly instanceId?: string | undefined
  /** The new timeouts. */
  readonly terms?: LeaseTerms | undefined
  /** Counts as a use. Where `instanceId` is a new one, an extension of the old one ends too. */
  readonly used?: boolean | undefined
  /** Milliseconds for which nobody else may act on it; 0 gives a claim back. */
  readonly claim?: number | undefined
  /** Refuses the change if the sandbox was used within this many milliseconds. */
  readonly unusedFor?: number | undefined
}
