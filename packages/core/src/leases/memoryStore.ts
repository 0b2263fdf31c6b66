import { Effect, Layer, Option } from "effect"
import { type Insertion, LeaseStore } from "../LeaseStore.ts"
import { elapsed } from "./elapsed.ts"
import { HostClock } from "./HostClock.ts"
import { isDue } from "./idleRule.ts"
import type { Lease, LeaseChange, LeaseKey, NewLease } from "./Lease.ts"
import { findExcess, type Quota } from "./quotas.ts"

const sum = (leases: ReadonlyArray<NewLease>): Required<Quota> => ({
  sandboxes: leases.length,
  memory: leases.reduce((total, lease) => total + lease.memory, 0),
  cpus: leases.reduce((total, lease) => total + lease.cpus, 0),
  disk: leases.reduce((total, lease) => total + lease.disk, 0),
})

interface Entry extends NewLease {
  readonly token: number
  /** Milliseconds of the host's time; later than now where it was extended. */
  readonly lastUsedAt: number
  readonly claimedUntil: number
}

const keyOf = ({ host, id }: LeaseKey) => `${host} ${id}`

const read = ({ lastUsedAt, claimedUntil, ...lease }: Entry, now: number): Lease => ({
  ...lease,
  unusedFor: Math.max(0, now - lastUsedAt),
  claimedFor: Math.max(0, claimedUntil - now),
})

/** The entry after a change, still with its old token; none where the lease was used too recently. */
const changedBy = (entry: Entry, change: LeaseChange, now: number): Option.Option<Entry> => {
  const { phase, instanceId, terms, used, claim, unusedFor } = change
  if (unusedFor !== undefined && now - entry.lastUsedAt < unusedFor) return Option.none()
  // Nothing that a program did to one incarnation holds for another.
  const isAnother = instanceId !== undefined && instanceId !== entry.instanceId
  const usedAt = isAnother ? now : Math.max(entry.lastUsedAt, now)
  return Option.some({
    ...entry,
    ...terms,
    phase: phase ?? entry.phase,
    instanceId: instanceId ?? entry.instanceId,
    lastUsedAt: used ? usedAt : entry.lastUsedAt,
    claimedUntil: claim === undefined ? entry.claimedUntil : now + claim,
  })
}

/**
 * Leases in this process's memory: right for one process, which finds orphans through its driver.
 *
 * @example
 * import { leaseStoreMemory, Sandboxes } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 * import { Layer } from "effect"
 *
 * const layer = Layer.provide(Sandboxes.layerStore(), [docker(), leaseStoreMemory])
 */
export const leaseStoreMemory: Layer.Layer<LeaseStore> = Layer.sync(LeaseStore, () => {
  const entries = new Map<string, Entry>()
  const clocks = new Map<string, HostClock>()
  let lastToken = 0

  const held = (key: LeaseKey, token: number) => {
    const entry = entries.get(keyOf(key))
    return entry?.token === token ? entry : undefined
  }
  const at = <A>(host: string, f: (now: number) => A) =>
    Effect.map(elapsed, (now) => f(clocks.get(host)?.now(now) ?? now))
  const all = () => [...entries.values()]

  return LeaseStore.of({
    shared: false,
    id: undefined,
    beat: (host, { step }) =>
      Effect.map(elapsed, (now) => {
        const clock = clocks.get(host) ?? new HostClock(now)
        clocks.set(host, clock)
        clock.beat(now, step)
        // It is this process's own: no other host is in it.
        return true
      }),
    get: (key) =>
      at(key.host, (now) =>
        Option.map(Option.fromUndefinedOr(entries.get(keyOf(key))), (entry) => read(entry, now)),
      ),
    list: (host) =>
      at(host, (now) =>
        all()
          .filter((entry) => entry.host === host)
          .map((entry) => read(entry, now)),
      ),
    insert: (lease, quotas = {}) =>
      at(lease.host, (now): Insertion => {
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
    renew: (key, token, lasting = 0) =>
      at(key.host, (now) => {
        const entry = held(key, token)
        if (entry === undefined) return false
        const lastUsedAt = Math.max(entry.lastUsedAt, now + lasting)
        entries.set(keyOf(key), { ...entry, lastUsedAt })
        return true
      }),
    change: (key, token, change) =>
      at(key.host, (now) =>
        Option.fromUndefinedOr(held(key, token)).pipe(
          Option.flatMap((entry) => changedBy(entry, change, now)),
          Option.map((changed) => {
            const entry = { ...changed, token: ++lastToken }
            entries.set(keyOf(key), entry)
            return read(entry, now)
          }),
        ),
      ),
    claimDue: (host, { claim, limit }) =>
      at(host, (now) =>
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
