import { Context, type Effect, type Option } from "effect"
import type { LeaseStoreFailed } from "./errors.ts"
import type { LeaseTerms } from "./values/Sandbox.ts"
import type { SandboxId } from "./values/SandboxId.ts"
import type { SessionKey } from "./values/Session.ts"

/**
 * - `creating`: its place is reserved while it is made.
 * - `active`: in use or recently used.
 * - `idle`: stopped because nobody used it; the next use starts it again.
 * - `stopped`: stopped on request; only a request starts it again.
 * - `removing`: its removal has begun and can't be called off.
 * - `condemned`: its host could not end it. Its lease has a key of its own (`condemnedId`), so that the
 *   name is free; it is removed as soon as its host can, and counts for the quotas until then.
 */
export type LeasePhase = "creating" | "active" | "idle" | "stopped" | "removing" | "condemned"

/** A sandbox on its host: one store may keep the leases of many hosts. */
export interface LeaseKey {
  /** See `DriverCapabilities.hostId`. */
  readonly host: string
  readonly id: SandboxId
}

/** A lease to begin. What it takes of the quotas counts until it is deleted. */
export interface NewLease extends LeaseKey, LeaseTerms {
  readonly session: SessionKey
  /** The incarnation that is leased, see `SandboxInfo.instanceId`; empty while it is created. */
  readonly instanceId: string
  readonly phase: LeasePhase
  /** Bytes. */
  readonly memory: number
  /** Cores. */
  readonly cpus: number
  /** Bytes. */
  readonly disk: number
}

/** Who may use a sandbox until when. */
export interface Lease extends NewLease {
  /**
   * Fencing token: a new and higher one with every change of what may be done with the sandbox,
   * and higher than any that the ID ever had. Renewing keeps it.
   */
  readonly token: number
  /**
   * Milliseconds since the last use, by its host's time (see `LeaseStore.beat`), when this was read; 0 while it
   * counts as used ahead of time (see `LeaseStore.renew`).
   */
  readonly unusedFor: number
  /** Milliseconds that somebody's claim on it goes on, by its host's time; 0 if nobody has one. */
  readonly claimedFor: number
}

/** What a change of a lease is to make of it. */
export interface LeaseChange {
  readonly phase?: LeasePhase
  readonly instanceId?: string
  readonly terms?: LeaseTerms
  /** Counts as a use; what an incarnation was extended by ends with it, where `instanceId` is another one. */
  readonly used?: boolean
  /** Milliseconds for which nobody else may act on it; 0 gives a claim back. Kept where absent. */
  readonly claim?: number
  /** Refuses the change if it was used within this many milliseconds. */
  readonly unusedFor?: number
}

/** The most that a session or a host may have; what is absent is not limited. */
export interface Quota {
  readonly sandboxes?: number
  /** Bytes. */
  readonly memory?: number
  /** Cores. */
  readonly cpus?: number
  /** Bytes. */
  readonly disk?: number
}
/** What a quota limits. */
export type QuotaResource = keyof Quota

/** The quotas that a new lease has to keep. */
export interface Quotas {
  /** Of all sandboxes of the lease's session, on whatever host. */
  readonly session?: Quota
  /** Of all sandboxes on the lease's host. */
  readonly host?: Quota
}

/** What became of a new lease: it is there, the name is taken, or a quota is exceeded. */
export type Insertion =
  | { readonly _tag: "Inserted"; readonly lease: Lease }
  | { readonly _tag: "Exists" }
  | { readonly _tag: "QuotaExceeded"; readonly excess: Excess }

/** The quota that a new sandbox would go past: whose, of what, and its limit. */
export interface Excess {
  readonly of: keyof Quotas
  readonly resource: QuotaResource
  readonly limit: number
}

/** How a process lets time pass for the leases of a host. */
export interface Beat {
  /** Milliseconds that pass at most until the next beat, whatever the store's clock says. */
  readonly step: number
  /** See `DriverCapabilities.hostMark`. */
  readonly mark: string
}

/** Milliseconds after which a host whose mark differs may take the place of one that is silent. */
export const hostSilence = 5 * 60_000

/**
 * Keeps leases. Every change is one atomic compare-and-set on the token, whatever the store, and
 * only the store's clock counts: the clocks of the processes that use it may differ.
 *
 * The store's clock itself is not trusted. Each host has a time of its own, which passes with the
 * store's clock but by no more than a step between two beats. So neither a jump of the clock nor
 * an outage of the store makes a lease run out that its holder had no chance to renew.
 */
export class LeaseStore extends Context.Service<
  LeaseStore,
  {
    /**
     * Whether all processes that use a host share this store. Where they do not, what the others
     * do is seen on the host only.
     */
    readonly shared: boolean
    /**
     * Lets time pass for the leases of a host. To be repeated well within its step. Before a host's
     * first beat its time is the store's clock.
     *
     * @returns false where another host beats under the same ID, one with another mark; nothing of
     * this ID may be touched then
     */
    readonly beat: (host: string, beat: Beat) => Effect.Effect<boolean, LeaseStoreFailed>
    /** By which a shared store is known from others that are used on the same host. */
    readonly id: string | undefined
    readonly get: (key: LeaseKey) => Effect.Effect<Option.Option<Lease>, LeaseStoreFailed>
    /** All leases on a host. */
    readonly list: (host: string) => Effect.Effect<ReadonlyArray<Lease>, LeaseStoreFailed>
    /** Begins a lease where there is none and the quotas have room, decided at once for all. */
    readonly insert: (
      lease: NewLease,
      quotas?: Quotas,
    ) => Effect.Effect<Insertion, LeaseStoreFailed>
    /**
     * Counts as a use if the token is still this one, and tells whether it is. With a time, it counts as
     * used for so many milliseconds from now on. That is never shortened: of what was asked for, the latest
     * end holds.
     */
    readonly renew: (
      key: LeaseKey,
      token: number,
      lasting?: number,
    ) => Effect.Effect<boolean, LeaseStoreFailed>
    /** Changes a lease that still has this token; none where it has not. */
    readonly change: (
      key: LeaseKey,
      token: number,
      change: LeaseChange,
    ) => Effect.Effect<Option.Option<Lease>, LeaseStoreFailed>
    /**
     * Claims leases that are due and that nobody has a claim on: to be stopped, to be removed, or
     * left in `removing` or `condemned`. Claims keep the token, so that a renewal still wins.
     */
    readonly claimDue: (
      host: string,
      options: {
        /** Milliseconds until others may claim them. */
        readonly claim: number
        readonly limit: number
      },
    ) => Effect.Effect<ReadonlyArray<Lease>, LeaseStoreFailed>
    /** Forgets a lease that still has this token. */
    readonly delete: (key: LeaseKey, token: number) => Effect.Effect<boolean, LeaseStoreFailed>
    /** Whether it is this caller's turn to look after the host; nobody else's for so many milliseconds. */
    readonly takeTurn: (host: string, lasting: number) => Effect.Effect<boolean, LeaseStoreFailed>
  }
>()("@cordon/core/LeaseStore") {}

/** Whether a lease has to be stopped, to be removed, or to be finished removing. */
export const isDue = (lease: Lease): boolean =>
  lease.phase === "removing" ||
  lease.phase === "condemned" ||
  lease.unusedFor >= lease.removeTimeout ||
  (lease.phase === "active" && lease.unusedFor >= lease.idleTimeout)

const resources = ["sandboxes", "memory", "cpus", "disk"] as const

/** The first quota that one more lease beside those in place would exceed. */
export const findExcess = (
  lease: NewLease,
  usage: { readonly [scope in keyof Quotas]-?: Required<Quota> },
  quotas: Quotas,
): Excess | undefined => {
  const wanted: Required<Quota> = { ...lease, sandboxes: 1 }
  for (const scope of ["session", "host"] as const) {
    for (const resource of resources) {
      const limit = quotas[scope]?.[resource]
      if (limit === undefined) continue
      // Three times 0.1 core is a bit more than 0.3.
      if (usage[scope][resource] + wanted[resource] > limit * (1 + 1e-9)) {
        return { of: scope, resource, limit }
      }
    }
  }
  return undefined
}
