import { assert, describe } from "@effect/vitest"
import { Effect, Option } from "effect"
import { inserted, lease, many, names, type Stage } from "./stage.ts"

/** What a lease is, and who may change it. */
export const changesContract = ({ test, shared }: Stage) =>
  describe("leases and tokens", () => {
    test("a store keeps one lease for each sandbox on each host", ({ open }) =>
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

    test("a lease is changed by its token only, and the token grows with each change", ({ open }) =>
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
        // A holder of the old lease must not take the new one for its own.
        const again = inserted(yield* store.insert(lease("a")))
        assert.isAbove(again.token, second.token)
      }))

    test("one of many that change a lease at the same time wins", ({ open }) =>
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
  })
