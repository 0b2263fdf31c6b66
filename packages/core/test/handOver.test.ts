import { handOver } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"

describe("handOver", () => {
  it.live("undoes an acquisition whose caller was interrupted meanwhile", () =>
    Effect.gen(function* () {
      const undone: Array<string> = []
      const begun = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const making = yield* Effect.forkChild(
        handOver(
          () =>
            Deferred.succeed(begun, undefined).pipe(
              Effect.andThen(Deferred.await(go)),
              Effect.as("thing"),
            ),
          (made) => Effect.sync(() => undone.push(made)),
        ),
      )
      yield* Deferred.await(begun)
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(making))
      yield* Effect.yieldNow
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(interrupting)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(making)))
      assert.deepStrictEqual(undone, ["thing"])
    }),
  )

  it.live("undoes nothing after handing it over, failing, or being interrupted early", () =>
    Effect.gen(function* () {
      const undone: Array<string> = []
      const undo = (made: string) => Effect.sync(() => undone.push(made))
      assert.strictEqual(yield* handOver(() => Effect.succeed("thing"), undo), "thing")
      const error = yield* Effect.flip(handOver(() => Effect.fail("broken"), undo))
      assert.strictEqual(error, "broken")
      const never = yield* Effect.forkChild(handOver((restore) => restore(Effect.never), undo))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(never)
      assert.deepStrictEqual(undone, [])
    }),
  )
})
