import { assert, describe } from "@effect/vitest"
import { Effect, Option } from "effect"
import { beat, inserted, lease, minute, names, type Stage } from "./stage.ts"

/** How time passes for a lease, whatever the clock does. */
export const timeContract = ({ test, shared }: Stage) =>
  describe("time", () => {
    test("ages are computed by the store's own clock", ({ open, pass }) =>
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

    test("a lease counts as used until the latest time that it was extended to", ({ open, pass }) =>
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

    test("an extension holds for no other instance of the sandbox", ({ open, pass }) =>
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

    test("no lease runs out by a jump of the clock, or while the store was away", ({
      open,
      jump,
    }) =>
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

    test("no lease, claim or turn is prolonged when the clock is put back", ({ open, jump }) =>
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
  })
