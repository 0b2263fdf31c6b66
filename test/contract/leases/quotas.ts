import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { inserted, lease, many, type Stage, type Store } from "./stage.ts"

/** Quotas of sessions and hosts. */
export const quotasContract = ({ test }: Stage) =>
  describe("quotas", () => {
    test("a session's quota is decided at the same time for all hosts and processes", ({ open }) =>
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

    test("a host's quota is decided at the same time for all sessions", ({ open }) =>
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
  })
