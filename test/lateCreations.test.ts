import { LeaseStore, leaseStoreMemory, SandboxDriver, Sandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"

/** A lease store that is slow to begin a lease: the sandbox is there, and its creation not done. */
const makeStage = Effect.gen(function* () {
  const driver = Context.get(yield* Layer.build(memory()), SandboxDriver)
  const store = Context.get(yield* Layer.build(leaseStoreMemory), LeaseStore)
  const begun = yield* Deferred.make<void>()
  const go = yield* Deferred.make<void>()
  const slow = Layer.succeed(LeaseStore, {
    ...store,
    change: (lease, token, change) =>
      Deferred.succeed(begun, undefined).pipe(
        Effect.andThen(Deferred.await(go)),
        Effect.andThen(store.change(lease, token, change)),
      ),
  })
  const sandboxes = Context.get(
    yield* Layer.build(
      Sandboxes.layerStore({ maxSandboxes: 1 }).pipe(
        Layer.provide(Layer.succeed(SandboxDriver, driver)),
        Layer.provide(slow),
      ),
    ),
    Sandboxes,
  )
  return { driver, sandboxes, begun: Deferred.await(begun), go: Deferred.succeed(go, undefined) }
})

describe("A creation that succeeds after its caller has gone", () => {
  it.live("leaves neither sandbox nor lease after an interruption", () =>
    Effect.gen(function* () {
      const { driver, sandboxes, begun, go } = yield* makeStage
      const session = yield* sandboxes.session("a")
      const creation = yield* Effect.forkChild(session.create({ name: "box" }))
      yield* begun
      const interruption = yield* Effect.forkChild(Fiber.interrupt(creation))
      yield* Effect.sleep(20)
      yield* go
      yield* Fiber.join(interruption)
      assert.deepStrictEqual(yield* driver.list(), [])
      // Its name and its place in the quota are free again.
      yield* session.create({ name: "box" })
    }).pipe(Effect.scoped),
  )

  it.live("leaves neither sandbox nor lease after its session closed", () =>
    Effect.gen(function* () {
      const { driver, sandboxes, begun, go } = yield* makeStage
      const scope = yield* Scope.make()
      const session = yield* Scope.provide(sandboxes.openSession("a"), scope)
      const creation = yield* Effect.forkChild(Effect.flip(session.create({ name: "box" })))
      yield* begun
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* Effect.sleep(20)
      yield* go
      yield* Fiber.join(closing)
      assert.deepStrictEqual(yield* driver.list(), [])
      assert.strictEqual((yield* Fiber.join(creation))._tag, "Closed")
      yield* (yield* sandboxes.session("a")).create({ name: "box" })
    }).pipe(Effect.scoped),
  )
})
