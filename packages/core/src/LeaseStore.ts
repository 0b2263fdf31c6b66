import { Context, Effect, Layer, Option } from "effect"
import type { LeaseStoreFailed } from "./errors.ts"
import type { SandboxId } from "./values/SandboxId.ts"

/**
 * Who may use a sandbox until when.
 *
 * - `active`: in use or recently used.
 * - `idle`: stopped because nobody used it; the next use starts it again.
 * - `stopped`: stopped on request; only a request starts it again.
 * - `removing`: its removal has begun and can't be called off.
 */
export interface Lease {
  readonly id: SandboxId
  /** The incarnation that is leased; see `SandboxInfo.instanceId`. */
  readonly instanceId: string
  /** Fencing token: grows with every change, so that who acts on an old lease can tell. */
  readonly token: number
  /** Milliseconds since the epoch. */
  readonly lastUsedAt: number
  /** Milliseconds after the last use. */
  readonly idleTimeout: number
  /** Milliseconds after the last use. */
  readonly removeTimeout: number
  readonly phase: "active" | "idle" | "stopped" | "removing"
}

/** Keeps leases. Every change is a compare-and-set on the token, whatever the store. */
export class LeaseStore extends Context.Service<
  LeaseStore,
  {
    readonly get: (id: SandboxId) => Effect.Effect<Option.Option<Lease>, LeaseStoreFailed>
    readonly list: Effect.Effect<ReadonlyArray<Lease>, LeaseStoreFailed>
    /**
     * Stores a lease if the one in place still has the token `expected`; 0 expects none.
     *
     * @returns whether it was stored
     */
    readonly compareAndSet: (
      expected: number,
      lease: Lease,
    ) => Effect.Effect<boolean, LeaseStoreFailed>
    /** Forgets a lease if it still has the token `expected`. */
    readonly delete: (id: SandboxId, expected: number) => Effect.Effect<boolean, LeaseStoreFailed>
  }
>()("@cordon/core/LeaseStore") {}

/** Leases in this process's memory: right for one process, which finds orphans through its driver. */
export const leaseStoreMemory: Layer.Layer<LeaseStore> = Layer.sync(LeaseStore, () => {
  const leases = new Map<SandboxId, Lease>()
  const tokenOf = (id: SandboxId) => leases.get(id)?.token ?? 0
  return LeaseStore.of({
    get: (id) => Effect.sync(() => Option.fromUndefinedOr(leases.get(id))),
    list: Effect.sync(() => [...leases.values()]),
    compareAndSet: (expected, lease) =>
      Effect.sync(() => {
        if (tokenOf(lease.id) !== expected) return false
        leases.set(lease.id, lease)
        return true
      }),
    delete: (id, expected) => Effect.sync(() => tokenOf(id) === expected && leases.delete(id)),
  })
})
