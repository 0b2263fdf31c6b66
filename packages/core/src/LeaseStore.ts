import { Context, type Effect, type Option } from "effect"
import type { LeaseStoreFailed } from "./errors.ts"
import type { Lease, LeaseChange, LeaseKey, NewLease } from "./leases/Lease.ts"
import type { Excess, Quotas } from "./leases/quotas.ts"

/** What became of a new lease: it is there, the name is taken, or a quota is exceeded. */
export type Insertion =
  | {
      readonly _tag: "Inserted"
      /** The new lease. */
      readonly lease: Lease
    }
  | { readonly _tag: "Exists" }
  | {
      readonly _tag: "QuotaExceeded"
      /** The quota that has no room for it. */
      readonly excess: Excess
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
 *
 * @example
 * import { leaseStoreMemory, LeaseStore } from "@cordon/core"
 *
 * const leases = yield* Effect.flatMap(LeaseStore, (store) => store.list("host-1")).pipe(
 *   Effect.provide(leaseStoreMemory),
 * )
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
    /** The lease of a sandbox; none where it has none. */
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
        /** How many leases to claim at most. */
        readonly limit: number
      },
    ) => Effect.Effect<ReadonlyArray<Lease>, LeaseStoreFailed>
    /** Forgets a lease that still has this token. */
    readonly delete: (key: LeaseKey, token: number) => Effect.Effect<boolean, LeaseStoreFailed>
    /** Whether it is this caller's turn to look after the host; nobody else's for so many milliseconds. */
    readonly takeTurn: (host: string, lasting: number) => Effect.Effect<boolean, LeaseStoreFailed>
  }
>()("@cordon/core/LeaseStore") {}
