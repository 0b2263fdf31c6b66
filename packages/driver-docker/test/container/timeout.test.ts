import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { deadlineOf } from "../../src/container/timeout.ts"

const endpoint = "tcp://far:2376"
const ofSeconds = (seconds: number) => deadlineOf(endpoint, { timeout: Duration.seconds(seconds) })

describe("a command's deadline", () => {
  it.effect("leaves the command its whole timeout when connecting took up to 8 seconds", () =>
    Effect.gen(function* () {
      const deadline = yield* ofSeconds(5)
      yield* deadline.before(Effect.sleep("8 seconds")).pipe(Effect.forkChild)
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(deadline.timeout(), 5000)
      assert.strictEqual(deadline.rest(), 6500)
    }),
  )

  it.effect("counts connecting time beyond 8 seconds against the command's timeout", () =>
    Effect.gen(function* () {
      const deadline = yield* ofSeconds(5)
      yield* TestClock.adjust("12 seconds")
      assert.strictEqual(deadline.timeout(), 1000)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(deadline.rest(), 0)
    }),
  )

  it.effect("is the same for all steps before the command", () =>
    Effect.gen(function* () {
      const deadline = yield* ofSeconds(5)
      const steps = Effect.andThen(
        deadline.before(Effect.sleep("10 seconds")),
        deadline.before(Effect.never),
      )
      const fiber = yield* Effect.forkChild(Effect.flip(steps), { startImmediately: true })
      yield* TestClock.adjust("12.9 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("0.1 seconds")
      assert.deepInclude(yield* Fiber.join(fiber), {
        _tag: "EngineUnreachable",
        delivered: "never",
      })
    }),
  )

  it.effect("is absent when the command has no timeout", () =>
    Effect.gen(function* () {
      const deadline = yield* deadlineOf(endpoint, {})
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* deadline.before(Effect.succeed(1)), 1)
      assert.deepStrictEqual([deadline.timeout(), deadline.rest()], [undefined, undefined])
    }),
  )
})
