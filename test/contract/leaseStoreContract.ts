import {
  hostSilence,
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
import { assert, describe } from "@effect/vitest"
import { Effect, Option, type Scope } from "effect"
import { skipped } from "../support/skipped.ts"

type Store = LeaseStore["Service"]

/** How the contract gets at a store. */
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

const minute = 60_000

/** IDs of stores. */
const known = new Set<string | undefined>()

const lease = (name: string, overrides: Partial<NewLease> & { readonly owner?: string } = {}) => {
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

const inserted = (insertion: Insertion): Lease => {
  assert(insertion._tag === "Inserted")
  return insertion.lease
}

const names = (leases: ReadonlyArray<Lease>) =>
  leases.map(({ id }) => id.replace(/^cordon-[0-9a-f]+-/, "")).sort()

/** What every lease store does, whatever it keeps leases in. */
export const leaseStoreContract = (name: string, { shared, test }: Harness): void => {
  const many = <A, E, R>(count: number, f: (n: number) => Effect.Effect<A, E, R>) =>
    Effect.forEach(
      Array.from({ length: count }, (_, n) => n),
      f,
      { concurrency: "unbounded" },
    )

  /** A test of what only matters where several processes share a store. */
  const testShared: Harness["test"] = (name, body) =>
    shared ? test(name, body) : skipped(name, "this store is one process's own, and says so")

  describe(`LeaseStore contract: ${name}`, () => {
    test("keeps one lease for each sandbox on each host", ({ open }) =>
      Effect.gen(function* () {
        const store = yield* open
        assert.strictEqual(store.shared, shared)
        const given = lease("a", { memory: 2 ** 40, cpus: 0.25, disk: 5 })
        const begun = inserted(yield* store.insert(given))
        assert.deepInclude(begun, given)
        assert.strictEqual(begun.claimedFor, 0)
        assert.strictEqual((yield* store.insert(given))._tag, "Exists")
        inserted(yield* store.insert({ ...given, host: "host-2" }))
        assert.deepInclude(Option.getOrThrow(yield* store.get(given)), given)
        assert.isTrue(Option.isNone(yield* store.get(lease("b"))))
        assert.deepStrictEqual(names(yield* store.list("host-1")), ["a"])
        assert.deepStrictEqual(yield* store.list("host-3"), [])
      }))

    test("changes a lease by its token only, which grows with each change", ({ open }) =>
      Effect.gen(function* () {
        const store = yield* open
        const first = inserted(yield* store.insert(lease("a")))
        const second = Option.getOrThrow(
          yield* store.change(first, first.token, {
            phase: "idle",
            instanceId: "instance-2",
            terms: { idleTimeout: 1, removeTimeout: 2 },
          }),
        )
        assert.isAbove(second.token, first.token)
        assert.deepInclude(second, {
          phase: "idle",
          instanceId: "instance-2",
          idleTimeout: 1,
          removeTimeout: 2,
          memory: 1024,
        })
        assert.isTrue(Option.isNone(yield* store.change(first, first.token, { phase: "active" })))
        assert.isFalse(yield* store.renew(first, first.token))
        assert.isFalse(yield* store.delete(first, first.token))
        assert.isTrue(yield* store.renew(second, second.token))
        assert.strictEqual(Option.getOrThrow(yield* store.get(first)).token, second.token)
        assert.isTrue(yield* store.delete(second, second.token))
        assert.isFalse(yield* store.delete(second, second.token))
        assert.isFalse(yield* store.renew(second, second.token))
        // Who held the old one must not take the new one for his.
        const again = inserted(yield* store.insert(lease("a")))
        assert.isAbove(again.token, second.token)
      }))

    test("lets one of many win who change a lease at once", ({ open }) =>
      Effect.gen(function* () {
        const stores = yield* many(4, () => open)
        const [store] = stores
        assert.isDefined(store)
        const begun = inserted(yield* store.insert(lease("a")))
        const changed = yield* many(20, (n) =>
          (stores[n % 4] ?? store).change(begun, begun.token, { phase: "stopped" }),
        )
        assert.strictEqual(changed.filter(Option.isSome).length, 1)
      }))

    test("computes ages by its own clock", ({ open, pass }) =>
      Effect.gen(function* () {
        const store = yield* open
        const begun = inserted(yield* store.insert(lease("a")))
        yield* pass(5 * minute)
        const aged = Option.getOrThrow(yield* store.get(begun))
        assert.isAtLeast(aged.unusedFor, 5 * minute)
        assert.isBelow(aged.unusedFor, 10 * minute)
        assert.isTrue(yield* store.renew(aged, aged.token))
        assert.isBelow(Option.getOrThrow(yield* store.get(begun)).unusedFor, 4 * minute)
        yield* pass(5 * minute)
        const kept = yield* store.change(begun, begun.token, { claim: minute })
        assert.isAtLeast(Option.getOrThrow(kept).unusedFor, 5 * minute)
        const claimed = Option.getOrThrow(kept)
        assert.isAbove(claimed.claimedFor, 0)
        // What a change does not mention stays as it was.
        const same = Option.getOrThrow(yield* store.change(claimed, claimed.token, {}))
        assert.isAbove(same.claimedFor, minute / 2)
        const used = yield* store.change(same, same.token, { used: true, claim: 0 })
        assert.isBelow(Option.getOrThrow(used).unusedFor, 4 * minute)
        assert.strictEqual(Option.getOrThrow(used).claimedFor, 0)
      }))

    test("counts a lease as used until the latest time it was extended to", ({ open, pass }) =>
      Effect.gen(function* () {
        const one = yield* open
        const two = shared ? yield* open : one
        const claim = { claim: minute, limit: 10 }
        const begun = inserted(yield* one.insert(lease("a")))
        assert.isFalse(yield* one.renew(begun, begun.token + 1, 60 * minute))
        assert.isTrue(yield* one.renew(begun, begun.token, 60 * minute))
        // Neither a use, nor a shorter extension, nor a change takes it back.
        assert.isTrue(yield* two.renew(begun, begun.token))
        assert.isTrue(yield* two.renew(begun, begun.token, minute))
        const changed = Option.getOrThrow(
          yield* two.change(begun, begun.token, { phase: "active", used: true }),
        )
        yield* pass(55 * minute)
        assert.deepInclude(Option.getOrThrow(yield* two.get(begun)), { unusedFor: 0 })
        assert.deepStrictEqual(yield* two.claimDue("host-1", claim), [])
        const stop = { phase: "idle", unusedFor: changed.idleTimeout } as const
        assert.isTrue(Option.isNone(yield* two.change(changed, changed.token, stop)))
        // Both timeouts begin where it ends.
        yield* pass(10 * minute)
        assert.deepStrictEqual(yield* two.claimDue("host-1", claim), [])
        yield* pass(6 * minute)
        assert.deepStrictEqual(names(yield* two.claimDue("host-1", claim)), ["a"])
        assert.isBelow(Option.getOrThrow(yield* one.get(begun)).unusedFor, begun.removeTimeout)
      }))

    test("lets no extension hold for another incarnation", ({ open, pass }) =>
      Effect.gen(function* () {
        const store = yield* open
        const begun = inserted(yield* store.insert(lease("a")))
        assert.isTrue(yield* store.renew(begun, begun.token, 60 * minute))
        const same = Option.getOrThrow(
          yield* store.change(begun, begun.token, { instanceId: "instance-1", used: true }),
        )
        yield* pass(minute)
        assert.strictEqual(Option.getOrThrow(yield* store.get(begun)).unusedFor, 0)
        yield* store.change(same, same.token, { instanceId: "instance-2", used: true })
        yield* pass(5 * minute)
        assert.isAtLeast(Option.getOrThrow(yield* store.get(begun)).unusedFor, 5 * minute)
      }))

    const beat = { step: minute / 2, mark: "" }

    test("lets no lease run out by a jump of its clock or while it was away", ({ open, jump }) =>
      Effect.gen(function* () {
        const store = yield* open
        const claim = { claim: minute, limit: 10 }
        assert.isTrue(yield* store.beat("host-1", beat))
        const begun = inserted(yield* store.insert(lease("a")))
        yield* jump(minute / 4)
        const { unusedFor } = Option.getOrThrow(yield* store.get(begun))
        assert.isAtLeast(unusedFor, minute / 4)
        assert.isBelow(unusedFor, minute / 4 + 5000)
        yield* jump(180 * minute)
        assert.isAtMost(Option.getOrThrow(yield* store.get(begun)).unusedFor, minute / 2 + 5000)
        assert.deepStrictEqual(yield* store.claimDue("host-1", claim), [])
        assert.isTrue(yield* store.beat("host-1", beat))
        assert.deepStrictEqual(yield* store.claimDue("host-1", claim), [])
        const stop = { phase: "idle", unusedFor: begun.idleTimeout } as const
        assert.isTrue(Option.isNone(yield* store.change(begun, begun.token, stop)))
        // From then on it passes as ever.
        for (let n = 0; n < 17; n++) {
          yield* jump(minute / 2)
          assert.isTrue(yield* store.beat("host-1", beat))
        }
        assert.deepStrictEqual(yield* store.claimDue("host-1", claim), [])
        for (let n = 0; n < 3; n++) {
          yield* jump(minute / 2)
          assert.isTrue(yield* store.beat("host-1", beat))
        }
        assert.deepStrictEqual(names(yield* store.claimDue("host-1", claim)), ["a"])
      }))

    test("prolongs no lease, claim or turn when its clock is put back", ({ open, jump }) =>
      Effect.gen(function* () {
        const store = yield* open
        const claim = { claim: minute, limit: 10 }
        assert.isTrue(yield* store.beat("host-1", beat))
        const begun = inserted(yield* store.insert(lease("a")))
        const held = inserted(yield* store.insert(lease("b")))
        yield* store.change(held, held.token, { claim: minute })
        assert.isTrue(yield* store.takeTurn("host-1", minute))
        yield* jump(-180 * minute)
        assert.isBelow(Option.getOrThrow(yield* store.get(held)).claimedFor, 1.5 * minute)
        for (let n = 0; n < 3; n++) {
          assert.isTrue(yield* store.beat("host-1", beat))
          yield* jump(minute / 2)
        }
        assert.strictEqual(Option.getOrThrow(yield* store.get(held)).claimedFor, 0)
        assert.isTrue(yield* store.takeTurn("host-1", minute))
        assert.isAtLeast(Option.getOrThrow(yield* store.get(begun)).unusedFor, minute)
        for (let n = 0; n < 20; n++) {
          assert.isTrue(yield* store.beat("host-1", beat))
          yield* jump(minute / 2)
        }
        assert.deepStrictEqual(names(yield* store.claimDue("host-1", claim)), ["a", "b"])
      }))

    testShared("tells hosts apart that say the same ID, while both beat", ({ open, jump }) =>
      Effect.gen(function* () {
        const [one, two] = [yield* open, yield* open]
        assert.isTrue(yield* one.beat("host-1", { ...beat, mark: "one" }))
        assert.isFalse(yield* two.beat("host-1", { ...beat, mark: "two" }))
        assert.isTrue(yield* two.beat("host-2", { ...beat, mark: "two" }))
        assert.isTrue(yield* one.beat("host-1", { ...beat, mark: "one" }))
        // A host that was given another name, once the old one has not been heard of for long.
        yield* jump(hostSilence + 1000)
        assert.isTrue(yield* two.beat("host-1", { ...beat, mark: "two" }))
        assert.isFalse(yield* one.beat("host-1", { ...beat, mark: "one" }))
      }),
    )

    test("gives out what is due, and a claim on it until that runs out", ({ open, pass }) =>
      Effect.gen(function* () {
        const store = yield* open
        const claim = { claim: minute, limit: 10 }
        for (const phase of [
          "creating",
          "active",
          "idle",
          "stopped",
          "removing",
          "condemned",
        ] as const) {
          yield* store.insert(lease(phase, { phase }))
        }
        yield* store.insert(lease("other", { host: "host-2" }))
        const first = yield* store.claimDue("host-1", claim)
        assert.deepStrictEqual(names(first), ["condemned", "removing"])
        assert.isAbove(first[0]?.claimedFor ?? 0, 0)
        yield* pass(11 * minute)
        assert.deepStrictEqual(names(yield* store.claimDue("host-1", claim)), [
          "active",
          "condemned",
          "removing",
        ])
        assert.deepStrictEqual(yield* store.claimDue("host-1", claim), [])
        yield* pass(10 * minute)
        assert.deepStrictEqual(names(yield* store.claimDue("host-1", claim)), [
          "active",
          "condemned",
          "creating",
          "idle",
          "removing",
          "stopped",
        ])
      }))

    test("lets a renewal win over who means to act on a lease that was due", ({ open, pass }) =>
      Effect.gen(function* () {
        const store = yield* open
        const begun = inserted(yield* store.insert(lease("a")))
        yield* pass(11 * minute)
        const [due] = yield* store.claimDue("host-1", { claim: minute, limit: 1 })
        assert.isDefined(due)
        // The claim keeps the token, so that whoever still holds the lease goes on renewing it.
        assert.strictEqual(due.token, begun.token)
        assert.isTrue(yield* store.renew(begun, begun.token))
        const stop = { phase: "idle", unusedFor: due.idleTimeout } as const
        assert.isTrue(Option.isNone(yield* store.change(due, due.token, stop)))
        yield* pass(11 * minute)
        assert.isTrue(Option.isSome(yield* store.change(due, due.token, stop)))
        assert.isFalse(yield* store.renew(begun, begun.token))
      }))

    test("shares due work among many reapers, each piece given out once", ({ open, pass }) =>
      Effect.gen(function* () {
        const stores = yield* many(4, () => open)
        const [store] = stores
        assert.isDefined(store)
        yield* many(40, (n) => store.insert(lease(`box-${n}`)))
        yield* pass(11 * minute)
        const claimed = yield* many(12, (n) =>
          (stores[n % 4] ?? store).claimDue("host-1", { claim: minute, limit: 5 }),
        )
        assert.isAtMost(Math.max(...claimed.map((some) => some.length)), 5)
        const ids = claimed.flat().map(({ id }) => id)
        assert.strictEqual(new Set(ids).size, ids.length)
        const rest = yield* store.claimDue("host-1", { claim: minute, limit: 100 })
        assert.strictEqual(ids.length + rest.length, 40)
      }))

    test("decides the quota of a session at once for all hosts and processes", ({ open }) =>
      Effect.gen(function* () {
        const stores = yield* many(4, () => open)
        const [store] = stores
        assert.isDefined(store)
        const quotas = { session: { sandboxes: 7 } }
        const results = yield* many(30, (n) =>
          (stores[n % 4] ?? store).insert(lease(`box-${n}`, { host: `host-${n % 3}` }), quotas),
        )
        assert.strictEqual(results.filter(({ _tag }) => _tag === "Inserted").length, 7)
        assert.deepStrictEqual(
          results.find(({ _tag }) => _tag === "QuotaExceeded"),
          {
            _tag: "QuotaExceeded",
            excess: { of: "session", resource: "sandboxes", limit: 7 },
          },
        )
        // Another session has its own; what is there already is not one more.
        inserted(yield* store.insert(lease("a", { owner: "other" }), quotas))
        const first = results.flatMap((result) =>
          result._tag === "Inserted" ? [result.lease] : [],
        )[0]
        assert.isDefined(first)
        assert.strictEqual((yield* store.insert(first, quotas))._tag, "Exists")
        yield* store.delete(first, first.token)
        inserted(yield* store.insert(lease("fits"), quotas))
      }))

    test("decides the quota of a host at once for all sessions", ({ open }) =>
      Effect.gen(function* () {
        const stores = yield* many(4, () => open)
        const [store] = stores
        assert.isDefined(store)
        const take = (n: number) => lease("a", { owner: `s-${n}`, memory: 10, cpus: 0.1, disk: 3 })
        const fill = (host: Parameters<Store["insert"]>[1]) =>
          Effect.gen(function* () {
            const results = yield* many(12, (n) => (stores[n % 4] ?? store).insert(take(n), host))
            yield* Effect.forEach(yield* store.list("host-1"), (found) =>
              store.delete(found, found.token),
            )
            return {
              count: results.filter(({ _tag }) => _tag === "Inserted").length,
              excess: results.flatMap((result) =>
                result._tag === "QuotaExceeded" ? [result.excess.resource] : [],
              )[0],
            }
          })
        assert.deepStrictEqual(yield* fill({ host: { memory: 45 } }), {
          count: 4,
          excess: "memory",
        })
        assert.deepStrictEqual(yield* fill({ host: { cpus: 0.3 } }), { count: 3, excess: "cpus" })
        // What another host has takes nothing from this one.
        inserted(yield* store.insert({ ...take(0), host: "host-2" }))
        assert.deepStrictEqual(yield* fill({ host: { disk: 6 } }), { count: 2, excess: "disk" })
        assert.deepStrictEqual(yield* fill({ host: { sandboxes: 5 }, session: { memory: 9 } }), {
          count: 0,
          excess: "memory",
        })
      }))

    testShared("gives one process its turn at a time", ({ open, pass }) =>
      Effect.gen(function* () {
        const stores = yield* many(4, () => open)
        const turns = (host: string) =>
          Effect.map(
            many(8, (n) => stores[n % 4]?.takeTurn(host, minute) ?? Effect.succeed(false)),
            (taken) => taken.filter(Boolean).length,
          )
        assert.strictEqual(yield* turns("host-1"), 1)
        assert.strictEqual(yield* turns("host-1"), 0)
        assert.strictEqual(yield* turns("host-2"), 1)
        yield* pass(2 * minute)
        assert.strictEqual(yield* turns("host-1"), 1)
      }),
    )

    testShared("keeps what one process wrote for the next one", ({ open }) =>
      Effect.gen(function* () {
        known.add((yield* open).id)
        yield* Effect.scoped(Effect.flatMap(open, (store) => store.insert(lease("a"))))
        assert.deepStrictEqual(names(yield* (yield* open).list("host-1")), ["a"])
      }),
    )

    testShared("is made by many processes that start at once, and known to them", ({ open }) =>
      Effect.gen(function* () {
        const stores = yield* many(8, () => open)
        const [id, ...others] = new Set(stores.map(({ id }) => id))
        assert.deepStrictEqual(others, [])
        assert.match(id ?? "", /^[-0-9a-f]{32,}$/)
        // Each test has a store of its own.
        assert.isFalse(stores.some(({ id }) => known.has(id)))
        known.add(id)
        yield* Effect.forEach(stores, (store, n) => store.insert(lease(`box-${n}`)))
        assert.strictEqual((yield* (stores[0] ?? (yield* open)).list("host-1")).length, 8)
      }),
    )
  })
}
