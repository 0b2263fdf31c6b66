import { hostSilence } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { beat, known, lease, many, minute, names, type Stage } from "./stage.ts"

/** Processes that share a store. */
export const sharingContract = ({ testShared }: Stage) =>
  describe("sharing", () => {
    testShared("the next process finds what a process wrote", ({ open }) =>
      Effect.gen(function* () {
        known.add((yield* open).id)
        yield* Effect.scoped(Effect.flatMap(open, (store) => store.insert(lease("a"))))
        assert.deepStrictEqual(names(yield* (yield* open).list("host-1")), ["a"])
      }),
    )

    testShared(
      "many processes that start at the same time make one store, and know each other by it",
      ({ open }) =>
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

    testShared("one process at a time has its turn", ({ open, pass }) =>
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

    testShared("two hosts that say the same ID are told apart while both beat", ({ open, jump }) =>
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
  })
