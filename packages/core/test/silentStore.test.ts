import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { LeaseStoreFailed } from "../src/index.ts"
import { makeDriver, makeRemote, pass, settle, startProcess, storages } from "./leaseStage.ts"

const [memory] = storages

/** A process whose store can fall silent, with a sandbox. */
const begin = Effect.fnUntraced(function* (settings = {}) {
  assert.isDefined(memory)
  const driver = yield* makeDriver
  const store = yield* yield* memory.open
  const remote = makeRemote(store)
  const scope = yield* Scope.make()
  const process = yield* Scope.provide(startProcess(driver, remote.store, settings), scope)
  const sandbox = yield* process.session.create({ name: "box" })
  return { ...process, ...remote, driver, store, sandbox, close: Scope.close(scope, Exit.void) }
})

/** What it comes to within half a minute. */
const within = Effect.fnUntraced(function* <A, E>(effect: Effect.Effect<A, E>) {
  const fiber = yield* Effect.forkDetach(effect)
  for (let seconds = 0; seconds < 30; seconds += 5) {
    yield* settle
    if (fiber.pollUnsafe() !== undefined) break
    yield* TestClock.adjust("5 seconds")
  }
  yield* settle
  return fiber.pollUnsafe() ?? assert.fail("it did not end")
})

const assertSilence = (exit: Exit.Exit<unknown, unknown>, operation: string) => {
  const error = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
  assert.isTrue(error?._tag === "Fail" && error.error instanceof LeaseStoreFailed, `${exit}`)
  assert.include(`${exit}`, operation)
  assert.include(`${exit}`, "did not answer within 10s")
}

describe("a lease store that never answers", () => {
  it.effect("fails each call with an error that says so", () =>
    Effect.gen(function* () {
      const { session, sandbox, leases, setSilent } = yield* begin()
      yield* setSilent(true)
      assertSilence(yield* within(session.create()), "begin a lease")
      assertSilence(yield* within(sandbox.exec("true")), "renew a lease")
      assertSilence(yield* within(sandbox.files.read("a")), "renew a lease")
      assertSilence(yield* within(sandbox.stop), "read a lease")
      assertSilence(yield* within(sandbox.remove), "read a lease")
      assertSilence(yield* within(leases.reap), "claim leases")
      yield* setSilent(false)
      assert.strictEqual((yield* sandbox.run("echo on")).stdout, "on\n")
      yield* session.create({ name: "other" })
      yield* sandbox.remove
    }),
  )

  it.effect("does not block close(), and leases remove what is left", () =>
    Effect.gen(function* () {
      const { driver, store, close, setSilent } = yield* begin({ removeOnClose: true })
      yield* setSilent(true)
      yield* within(close)
      assert.strictEqual((yield* driver.list()).length, 1)
      yield* startProcess(driver, store)
      yield* pass(75)
      assert.deepStrictEqual(yield* driver.list(), [])
    }),
  )

  it.effect("fails a creation whose sandbox exists already, and leaves nothing of it", () =>
    Effect.gen(function* () {
      assert.isDefined(memory)
      const real = yield* makeDriver
      const store = yield* yield* memory.open
      const { store: remote, setSilent } = makeRemote(store)
      const driver: typeof real = {
        ...real,
        create: (request) => Effect.tap(real.create(request), setSilent(true)),
      }
      const { session } = yield* startProcess(driver, remote)
      assertSilence(yield* within(session.create()), "change a lease")
      assert.deepStrictEqual(yield* real.list(), [])
      yield* setSilent(false)
      yield* pass(2)
      assert.deepStrictEqual(yield* store.list((yield* real.capabilities).hostId), [])
    }),
  )

  it.effect("does not delay a caller that aborts a call", () =>
    Effect.gen(function* () {
      const { sandbox, setSilent } = yield* begin()
      yield* setSilent(true)
      const call = yield* Effect.forkDetach(sandbox.exec("true"))
      yield* settle
      yield* within(Fiber.interrupt(call))
    }),
  )

  it.effect("does not disturb a running command", () =>
    Effect.gen(function* () {
      const { driver, leases, sandbox, setSilent } = yield* begin()
      const use = yield* Effect.forkChild(leases.use(sandbox.info)(Effect.sleep("3 hours")))
      yield* pass(1)
      yield* setSilent(true)
      yield* pass(100)
      yield* setSilent(false)
      yield* pass(2)
      assert.strictEqual((yield* driver.inspect(sandbox.id)).status, "running")
      yield* pass(80)
      yield* Fiber.join(use)
    }),
  )
})
