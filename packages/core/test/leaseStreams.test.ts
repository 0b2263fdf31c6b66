import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { makeDriver, memoryStore, only, pass, settle, silent, startProcess } from "./leaseStage.ts"

const begin = Effect.gen(function* () {
  const driver = yield* makeDriver
  const store = yield* memoryStore
  const { session, leases } = yield* startProcess(silent(driver), store)
  const { info } = yield* session.create()
  const list = store.list((yield* driver.capabilities).hostId)
  return { store, stream: leases.useStream(info), lease: Effect.map(list, only) }
})

describe("a stream from a sandbox", () => {
  it.effect("holds the lease while it runs, and passes its elements on", () =>
    Effect.gen(function* () {
      const { stream, lease } = yield* begin
      const lines = Stream.fromEffect(Effect.as(Effect.sleep("1 hour"), "line"))
      const run = yield* Effect.forkChild(Stream.runCollect(stream(lines)))
      yield* pass(59)
      assert.strictEqual((yield* lease).phase, "active")
      yield* pass(2)
      assert.deepStrictEqual(yield* Fiber.join(run), ["line"])
      yield* pass(11)
      assert.strictEqual((yield* lease).phase, "idle")
    }),
  )

  it.effect("counts as a use when it ends", () =>
    Effect.gen(function* () {
      const { stream, lease } = yield* begin
      const run = yield* Effect.forkChild(
        Stream.runDrain(stream(Stream.fromEffect(Effect.sleep("3 minutes")))),
      )
      yield* TestClock.adjust("3 minutes")
      yield* Fiber.join(run)
      assert.strictEqual((yield* lease).unusedFor, 0)
    }),
  )

  it.effect("fails with LeaseLost when the sandbox was taken away", () =>
    Effect.gen(function* () {
      const { store, stream, lease } = yield* begin
      const run = yield* Effect.forkChild(Effect.flip(Stream.runDrain(stream(Stream.never))))
      yield* settle
      const held = yield* lease
      yield* store.delete(held, held.token)
      yield* pass(4)
      assert.strictEqual((yield* Fiber.join(run))._tag, "LeaseLost")
    }),
  )

  it.effect("fails with its own error when nobody took the sandbox", () =>
    Effect.gen(function* () {
      const { stream } = yield* begin
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(stream(Stream.fail("why")))), "why")
    }),
  )
})
