import { Clock, Context, Effect, Layer, Option } from "effect"
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
 */
export type LeasePhase = "creating" | "active" | "idle" | "stopped" | "removing"

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
  /** Milliseconds since the last use, by the store's clock, when this was read. */
  readonly unusedFor: number
  /** Milliseconds that somebody's claim on it goes on, by the store's clock; 0 if nobody has one. */
  readonly claimedFor: number
}

/** What a change of a lease is to make of it. */
export interface LeaseChange {
  readonly phase?: LeasePhase
  readonly instanceId?: string
  readonly terms?: LeaseTerms
  /** Counts as a use. */
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

/**
 * Keeps leases. Every change is one atomic compare-and-set on the token, whatever the store, and
 * only the store's clock counts: the clocks of the processes that use it may differ.
 */
export class LeaseStore extends Context.Service<
  LeaseStore,
  {
    /**
     * Whether all processes that use a host share this store. Where they do not, what the others
     * do is seen on the host only.
     */
    readonly shared: boolean
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
    /** Counts as a use if the token is still this one, and tells whether it is. */
    readonly renew: (key: LeaseKey, token: number) => Effect.Effect<boolean, LeaseStoreFailed>
    /** Changes a lease that still has this token; none where it has not. */
    readonly change: (
      key: LeaseKey,
      token: number,
      change: LeaseChange,
    ) => Effect.Effect<Option.Option<Lease>, LeaseStoreFailed>
    /**
     * Claims leases that are due and that nobody has a claim on: to be stopped, to be removed, or
     * left in `removing`. Claims keep the token, so that a renewal still wins.
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
      // Three times 0.1 core is a bit more than 0.3.
      const most = limit === undefined ? Number.POSITIVE_INFINITY : limit * (1 + 1e-9)
      if (limit !== undefined && usage[scope][resource] + wanted[resource] > most) {
        return { of: scope, resource, limit }
      }
    }
  }
  return undefined
}

const sum = (leases: ReadonlyArray<NewLease>): Required<Quota> => ({
  sandboxes: leases.length,
  memory: leases.reduce((total, lease) => total + lease.memory, 0),
  cpus: leases.reduce((total, lease) => total + lease.cpus, 0),
  disk: leases.reduce((total, lease) => total + lease.disk, 0),
})

interface Entry extends NewLease {
  readonly token: number
  /** Milliseconds of this process's clock. */
  readonly lastUsedAt: number
  readonly claimedUntil: number
}

/** Leases in this process's memory: right for one process, which finds orphans through its driver. */
export const leaseStoreMemory: Layer.Layer<LeaseStore> = Layer.sync(LeaseStore, () => {
  const entries = new Map<string, Entry>()
  let lastToken = 0

  const keyOf = ({ host, id }: LeaseKey) => `${host} ${id}`
  const read = (entry: Entry, now: number): Lease => {
    const { lastUsedAt, claimedUntil, ...lease } = entry
    return {
      ...lease,
      unusedFor: Math.max(0, now - lastUsedAt),
      claimedFor: Math.max(0, claimedUntil - now),
    }
  }
  const held = (key: LeaseKey, token: number) => {
    const entry = entries.get(keyOf(key))
    return entry?.token === token ? entry : undefined
  }
  const at = <A>(f: (now: number) => A) => Effect.map(Clock.currentTimeMillis, f)
  const all = () => [...entries.values()]

  return LeaseStore.of({
    shared: false,
    id: undefined,
    get: (key) =>
      at((now) =>
        Option.map(Option.fromUndefinedOr(entries.get(keyOf(key))), (entry) => read(entry, now)),
      ),
    list: (host) =>
      at((now) =>
        all()
          .filter((entry) => entry.host === host)
          .map((entry) => read(entry, now)),
      ),
    insert: (lease, quotas = {}) =>
      at((now): Insertion => {
        if (entries.has(keyOf(lease))) return { _tag: "Exists" }
        const usage = {
          session: sum(all().filter((entry) => entry.session === lease.session)),
          host: sum(all().filter((entry) => entry.host === lease.host)),
        }
        const excess = findExcess(lease, usage, quotas)
        if (excess !== undefined) return { _tag: "QuotaExceeded", excess }
        const entry: Entry = { ...lease, token: ++lastToken, lastUsedAt: now, claimedUntil: 0 }
        entries.set(keyOf(lease), entry)
        return { _tag: "Inserted", lease: read(entry, now) }
      }),
    renew: (key, token) =>
      at((now) => {
        const entry = held(key, token)
        if (entry === undefined) return false
        entries.set(keyOf(key), { ...entry, lastUsedAt: now })
        return true
      }),
    change: (key, token, { phase, instanceId, terms, used, claim, unusedFor = 0 }) =>
      at((now) => {
        const entry = held(key, token)
        if (entry === undefined || now - entry.lastUsedAt < unusedFor) return Option.none()
        const changed: Entry = {
          ...entry,
          ...terms,
          token: ++lastToken,
          phase: phase ?? entry.phase,
          instanceId: instanceId ?? entry.instanceId,
          lastUsedAt: used ? now : entry.lastUsedAt,
          claimedUntil: claim === undefined ? entry.claimedUntil : now + claim,
        }
        entries.set(keyOf(key), changed)
        return Option.some(read(changed, now))
      }),
    claimDue: (host, { claim, limit }) =>
      at((now) =>
        all()
          .filter(
            (entry) => entry.host === host && entry.claimedUntil <= now && isDue(read(entry, now)),
          )
          .slice(0, limit)
          .map((entry) => {
            const claimed = { ...entry, claimedUntil: now + claim }
            entries.set(keyOf(entry), claimed)
            return read(claimed, now)
          }),
      ),
    delete: (key, token) =>
      Effect.sync(() => held(key, token) !== undefined && entries.delete(keyOf(key))),
    takeTurn: () => Effect.succeed(true),
  })
})
