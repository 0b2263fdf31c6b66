import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { makeKeyedLock } from "../src/concurrency/KeyedLock.ts"
import { EngineUnreachable } from "../src/errors.ts"
import { makeSharedSilence } from "../src/leases/sharedSilence.ts"

const silent = Effect.andThen(
  Effect.sleep("25 seconds"),
  Effect.fail(new EngineUnreachable({ endpoint: "tcp://far", reason: "silence" })),
)

describe("queued calls to an engine that is silent", () => {
  it.effect("fail together for all waiting callers, and the next caller tries again", () =>
    Effect.gen(function* () {
      const turns = makeSharedSilence(makeKeyedLock<string>())
      let taken = 0
      const turn = Effect.suspend(() => {
        taken++
        return silent
      })
      const waiting = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 5 }, () => Effect.flip(turns("a")(turn))),
          { concurrency: "unbounded" },
        ),
        { startImmediately: true },
      )
      const other = yield* Effect.forkChild(turns("b")(Effect.succeed("well")))
      yield* TestClock.adjust("25 seconds")
      assert.deepStrictEqual(
        (yield* Fiber.join(waiting)).map(({ _tag }) => _tag),
        Array.from({ length: 5 }, () => "EngineUnreachable"),
      )
      assert.strictEqual(yield* Fiber.join(other), "well")
      assert.strictEqual(taken, 1)
      assert.strictEqual(yield* turns("a")(Effect.succeed("again")), "again")
    }),
  )
})
