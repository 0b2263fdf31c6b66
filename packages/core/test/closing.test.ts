import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { type Driver, makeDriver, pass, settle, startProcess, storages } from "./leaseStage.ts"

/** A process with some sandboxes, and how it is closed. */
const begin = Effect.fnUntraced(function* (driver: Driver, sandboxes: number) {
  const [memory] = storages
  assert.isDefined(memory)
  const store = yield* yield* memory.open
  const scope = yield* Scope.make()
  const { session } = yield* Scope.provide(
    startProcess(driver, store, { removeOnClose: true, maxSandboxes: 100 }),
    scope,
  )
  yield* Effect.forEach(Array.from({ length: sandboxes }), () => session.create())
  return { store, close: Scope.close(scope, Exit.void) }
})

const seconds = Effect.fnUntraced(function* (count: number) {
  for (let second = 0; second < count; second++) {
    yield* settle
    yield* TestClock.adjust("1 second")
  }
  yield* settle
})

describe("closing the sandboxes", () => {
  it.effect("ends within seconds on an engine that hangs, and leaves the rest to the leases", () =>
    Effect.gen(function* () {
      const real = yield* makeDriver
      const driver = { ...real, remove: () => Effect.uninterruptible(Effect.never) }
      const { store, close } = yield* begin(driver, 20)
      const closing = yield* Effect.forkDetach(close)
      yield* seconds(12)
      assert.isDefined(closing.pollUnsafe())
      assert.strictEqual((yield* real.list()).length, 20)
      // The engine is back, and somebody is there.
      yield* startProcess(real, store)
      yield* pass(75)
      assert.deepStrictEqual(yield* real.list(), [])
    }),
  )

  it.effect("waits for a slow engine as long as it keeps removing", () =>
    Effect.gen(function* () {
      const real = yield* makeDriver
      const remove: Driver["remove"] = (...args) =>
        Effect.andThen(Effect.sleep("9 seconds"), real.remove(...args))
      const { close } = yield* begin({ ...real, remove }, 40)
      const closing = yield* Effect.forkDetach(close)
      yield* seconds(40)
      assert.isUndefined(closing.pollUnsafe())
      yield* seconds(10)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(yield* real.list(), [])
    }),
  )
})
