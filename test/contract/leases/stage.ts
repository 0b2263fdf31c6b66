import {
  type Insertion,
  type Lease,
  type LeaseStore,
  type LeaseStoreFailed,
  type NewLease,
  SandboxName,
  SessionId,
  sandboxId,
  sessionKey,
} from "@cordon/core"
import { assert } from "@effect/vitest"
import { Effect, type Scope } from "effect"

export type Store = LeaseStore["Service"]

/** How the contract opens a store. */
export interface Harness {
  readonly shared: boolean
  /** A test, with a store that nothing is in yet. */
  readonly test: <E>(
    name: string,
    body: (stores: {
      /** The store as one more process opens it. */
      readonly open: Effect.Effect<Store, LeaseStoreFailed, Scope.Scope>
      /** Lets so many milliseconds pass for the store. */
      readonly pass: (ms: number) => Effect.Effect<void>
      /** Has the store's clock jump, or time pass while the store was away. */
      readonly jump: (ms: number) => Effect.Effect<void>
    }) => Effect.Effect<void, E | LeaseStoreFailed, Scope.Scope>,
  ) => void
}

export const minute = 60_000

/** IDs of the stores that tests have opened. */
export const known = new Set<string | undefined>()

export const lease = (
  name: string,
  overrides: Partial<NewLease> & { readonly owner?: string } = {},
) => {
  const { owner = "s", ...rest } = overrides
  const session = sessionKey(SessionId.make(owner))
  const made: NewLease = {
    host: "host-1",
    id: sandboxId(session, SandboxName.make(name)),
    session,
    instanceId: "instance-1",
    phase: "active",
    memory: 1024,
    cpus: 0.1,
    disk: 0,
    idleTimeout: 10 * minute,
    removeTimeout: 20 * minute,
    ...rest,
  }
  return made
}

export const inserted = (insertion: Insertion): Lease => {
  assert(insertion._tag === "Inserted")
  return insertion.lease
}

export const names = (leases: ReadonlyArray<Lease>) =>
  leases.map(({ id }) => id.replace(/^cordon-[0-9a-f]+-/, "")).sort()

/** What each part of the contract gets. */
export interface Stage extends Harness {
  /** A test of what only matters where several processes share a store. */
  readonly testShared: Harness["test"]
}

/** A host's sign of life, in steps of half a minute. */
export const beat = { step: minute / 2, mark: "" }

/** Does something so many times at the same time. */
export const many = <A, E, R>(count: number, f: (n: number) => Effect.Effect<A, E, R>) =>
  Effect.forEach(
    Array.from({ length: count }, (_, n) => n),
    f,
    { concurrency: "unbounded" },
  )
