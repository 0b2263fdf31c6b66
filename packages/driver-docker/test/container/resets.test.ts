import { EngineUnreachable, type HostError, SandboxCondemned, SandboxId } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Latch, Result } from "effect"
import { TestClock } from "effect/testing"
import { makeResets } from "../../src/container/resets.ts"
import { InitLost } from "../../src/init/errors.ts"

const cut = new InitLost({ why: "ended", detail: "it was closed inside" })
const condemned = new SandboxCondemned({
  sandbox: SandboxId.make("cordon-0123456789abcdef-box"),
  reason: "its engine can't end it",
})

/** A connection whose calls do not end, and a container of which each reset has the next result. */
const makeStage = (
  results: ReadonlyArray<Effect.Effect<boolean, HostError>>,
  isPaused: Effect.Effect<boolean, HostError> = Effect.succeed(false),
) =>
  Effect.gen(function* () {
    const [unanswered, settled] = [Latch.makeUnsafe(), Latch.makeUnsafe()]
    const lost = Deferred.makeUnsafe<InitLost>()
    let resets = 0
    const stage = makeResets({
      init: {
        get isOpen() {
          return !Deferred.isDoneUnsafe(lost)
        },
        lost: Deferred.await(lost),
        settled: settled.await,
        unanswered: unanswered.await,
      },
      endpoint: "test",
      isPaused,
      reset: Effect.suspend(() => results[resets++] ?? Effect.never),
    })
    const watching = yield* Effect.forkScoped(stage.watch)
    const outcome = yield* Effect.forkScoped(Effect.result(stage.outcome))
    const lose = Deferred.succeed(lost, cut)
    return { unanswered, settled, lose, watching, outcome, resets: () => resets }
  })

describe("calls that did not end when told to", () => {
  it.effect("need no reset when they end by themselves", () =>
    Effect.gen(function* () {
      const { settled, outcome, resets } = yield* makeStage([])
      yield* settled.open
      assert.deepStrictEqual(yield* Fiber.join(outcome), Result.succeed(false))
      assert.strictEqual(resets(), 0)
    }),
  )

  it.effect("are ended by a restart, though it loses the connection", () =>
    Effect.gen(function* () {
      const restarted = Deferred.makeUnsafe<boolean>()
      const { unanswered, lose, watching, outcome } = yield* makeStage([Deferred.await(restarted)])
      yield* unanswered.open
      yield* Effect.yieldNow
      yield* lose
      yield* Effect.yieldNow
      yield* Deferred.succeed(restarted, true)
      assert.deepStrictEqual(yield* Fiber.join(outcome), Result.succeed(true))
      assert.strictEqual(yield* Fiber.join(watching), "restarted")
    }),
  )

  it.effect("fail with the loss of the connection when no reset was begun", () =>
    Effect.gen(function* () {
      const { lose, watching, outcome } = yield* makeStage([])
      yield* lose
      assert.deepStrictEqual(yield* Fiber.join(outcome), Result.fail(cut))
      assert.strictEqual(yield* Fiber.join(watching), "lost")
    }),
  )

  it.effect("are left alone in a paused container", () =>
    Effect.gen(function* () {
      const { outcome } = yield* makeStage([], Effect.succeed(true))
      assert.deepStrictEqual(yield* Fiber.join(outcome), Result.succeed(false))
    }),
  )

  it.effect("are stuck when the container is not restarted within 8 seconds", () =>
    Effect.gen(function* () {
      const { unanswered, outcome } = yield* makeStage([Effect.never])
      yield* unanswered.open
      yield* TestClock.adjust("7 seconds")
      assert.isUndefined(outcome.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const ended = yield* Fiber.join(outcome)
      assert(Result.isFailure(ended) && ended.failure._tag === "Stuck")
      assert.match(ended.failure.error.message, /could not be restarted in time/)
    }),
  )

  it.effect("are stuck when the engine does not say whether the container is paused", () =>
    Effect.gen(function* () {
      const silent = new EngineUnreachable({ endpoint: "test", reason: "it does not answer" })
      const { outcome } = yield* makeStage([], Effect.fail(silent))
      const ended = yield* Fiber.join(outcome)
      assert(Result.isFailure(ended) && ended.failure._tag === "Stuck")
      assert.strictEqual(ended.failure.error, silent)
    }),
  )

  it.effect("are reset again after 10 seconds when a reset restarted nothing", () =>
    Effect.gen(function* () {
      const { unanswered, watching, resets } = yield* makeStage([
        Effect.succeed(false),
        Effect.succeed(true),
      ])
      yield* unanswered.open
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(resets(), 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(resets(), 2)
      assert.strictEqual(yield* Fiber.join(watching), "restarted")
    }),
  )

  it.effect("are given up when the container can't be ended", () =>
    Effect.gen(function* () {
      const { unanswered, watching, outcome } = yield* makeStage([Effect.fail(condemned)])
      yield* unanswered.open
      assert.strictEqual(yield* Fiber.join(watching), "condemned")
      assert.deepStrictEqual(yield* Fiber.join(outcome), Result.fail(condemned))
    }),
  )
})
