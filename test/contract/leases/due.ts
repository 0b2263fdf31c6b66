import { assert, describe } from "@effect/vitest"
import { Effect, Option } from "effect"
import { inserted, lease, many, minute, names, type Stage } from "./stage.ts"

/** Leases whose time is up, and reapers that are given them. */
export const dueContract = ({ test }: Stage) =>
  describe("due leases", () => {
    test("a lease that is due is given out with a claim, and again once the claim has run out", ({
      open,
      pass,
    }) =>
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

    test("a renewal wins over a reaper that was given the lease", ({ open, pass }) =>
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

    test("many reapers share the leases that are due, each given out once", ({ open, pass }) =>
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
  })
