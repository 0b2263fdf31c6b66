import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { makeSettableClock } from "../../../test/support/clocks.ts"
import { EngineUnreachable } from "../src/index.ts"
import {
  makeDriver,
  makeRemote,
  memoryStore,
  only,
  pass,
  settle,
  silent,
  startProcess,
  storages,
} from "./leaseStage.ts"

for (const { name, open } of storages) {
  describe(`leases in a store that fails: ${name}`, () => {
    it.effect(
      "an outage longer than the lease removes no sandbox that is in use or was just used",
      () =>
        Effect.gen(function* () {
          const driver = yield* makeDriver
          const opened = yield* open
          // Two processes with a store each, which come back at different times.
          const one = makeRemote(yield* opened)
          const other = makeRemote(yield* opened)
          const holder = yield* startProcess(driver, one.store)
          yield* startProcess(driver, other.store)
          const sandbox = yield* holder.session.create({ name: "used" })
          const recent = yield* holder.session.create({ name: "recent" })
          const unused = yield* holder.session.create({ name: "unused" })
          yield* pass(8)
          yield* recent.run("true")
          const use = yield* Effect.forkChild(
            holder.leases.use(sandbox.info)(Effect.sleep("3 hours")),
          )
          yield* pass(1)
          yield* Effect.all([one.setAway(true), other.setAway(true)])
          yield* pass(100)
          yield* other.setAway(false)
          // The other one's reaper comes first; a moment later the holder gets through.
          yield* TestClock.adjust("15 seconds")
          yield* settle
          yield* one.setAway(false)
          yield* pass(2)
          const statuses = yield* Effect.map(holder.session.list, (list) =>
            list.map((info) => `${info.name} ${info.status}`),
          )
          assert.deepStrictEqual(statuses, ["used running", "recent running", "unused stopped"])
          yield* pass(7 + 10)
          assert.strictEqual((yield* driver.inspect(sandbox.id)).status, "running")
          assert.strictEqual(
            (yield* Effect.flip(driver.inspect(unused.id)))._tag,
            "SandboxNotFound",
          )
          yield* pass(62)
          yield* Fiber.join(use)
          assert.strictEqual((yield* driver.inspect(sandbox.id)).status, "running")
        }).pipe(Effect.scoped),
    )

    it.effect(
      "a process that was paused for hours removes no sandbox in use when it continues",
      () =>
        Effect.gen(function* () {
          const driver = yield* makeDriver
          const { session, leases } = yield* startProcess(driver, yield* yield* open)
          const sandbox = yield* session.create()
          const use = yield* Effect.forkChild(leases.use(sandbox.info)(Effect.sleep("5 hours")))
          yield* pass(1)
          yield* TestClock.adjust("3 hours")
          yield* pass(2)
          assert.strictEqual((yield* driver.inspect(sandbox.id)).status, "running")
          yield* pass(130)
          yield* Fiber.join(use)
        }),
    )

    for (const minutes of [30, -30]) {
      it.effect(`a clock that jumps by ${minutes} minutes neither ends nor prolongs a lease`, () =>
        Effect.gen(function* () {
          const { clock, jump } = yield* makeSettableClock
          const driver = yield* makeDriver
          const opened = yield* open
          const start = Effect.flatMap(opened, (store) => startProcess(driver, store)).pipe(
            Effect.provideService(Clock.Clock, clock),
          )
          const { session, leases } = yield* start
          yield* start
          const sandbox = yield* session.create({ name: "used" })
          const other = yield* session.create({ name: "other" })
          const use = yield* Effect.forkChild(leases.use(sandbox.info)(Effect.sleep("40 minutes")))
          yield* pass(3)
          yield* jump(minutes * 60_000)
          yield* pass(5)
          assert.strictEqual((yield* driver.inspect(sandbox.id)).status, "running")
          assert.strictEqual((yield* driver.inspect(other.id)).status, "running")
          yield* pass(3)
          assert.strictEqual((yield* driver.inspect(other.id)).status, "stopped")
          yield* pass(30)
          yield* Fiber.join(use)
          assert.strictEqual((yield* driver.inspect(sandbox.id)).status, "running")
        }),
      )
    }
  })
}

describe("a use that ends after a long absence", () => {
  /** A use whose store goes away at once, and what it was that it held. */
  const begin = Effect.gen(function* () {
    const driver = yield* makeDriver
    const store = yield* memoryStore
    const remote = makeRemote(store)
    const { session, leases } = yield* startProcess(silent(driver), remote.store)
    const { info } = yield* session.create()
    const done = yield* Deferred.make<string>()
    const use = yield* Effect.forkChild(Effect.flip(leases.use(info)(Deferred.await(done))))
    yield* settle
    const lease = only(yield* store.list((yield* driver.capabilities).hostId))
    yield* remote.setAway(true)
    yield* pass(15)
    const finish = Effect.andThen(Deferred.succeed(done, "result"), Fiber.await(use))
    return { driver, store, remote, info, lease, finish }
  })

  it.effect("fails with LeaseLost if another process took the sandbox, whatever its result", () =>
    Effect.gen(function* () {
      const { store, remote, lease, finish } = yield* begin
      yield* store.change(lease, lease.token, { phase: "idle" })
      yield* remote.setAway(false)
      const exit = yield* finish
      assert(exit._tag === "Success")
      assert.strictEqual(exit.value._tag, "LeaseLost")
    }),
  )

  it.effect(
    "fails with LeaseStoreFailed if the sandbox was stopped and the store does not answer",
    () =>
      Effect.gen(function* () {
        const { driver, info, finish } = yield* begin
        yield* driver.stop(info.id)
        const exit = yield* finish
        assert(exit._tag === "Success")
        assert.strictEqual(exit.value._tag, "LeaseStoreFailed")
      }),
  )

  it.effect("keeps its result when the sandbox still runs", () =>
    Effect.gen(function* () {
      const { finish } = yield* begin
      const exit = yield* finish
      // It did not fail, which is what was waited for.
      assert(exit._tag === "Failure")
      assert.include(JSON.stringify(exit.cause), "result")
    }),
  )
})

describe("a use whose sandbox was taken away", () => {
  it.effect("fails with LeaseLost, also when its command says that the sandbox is missing", () =>
    Effect.gen(function* () {
      const driver = yield* makeDriver
      const store = yield* memoryStore
      const { session, leases } = yield* startProcess(silent(driver), store)
      const { info } = yield* session.create()
      const gone = yield* Deferred.make<void>()
      // A command that is cut off by the removal: the driver says that there is no such sandbox.
      const command = Effect.andThen(Deferred.await(gone), driver.inspect(info.id))
      const use = yield* Effect.forkChild(Effect.flip(leases.use(info)(command)))
      yield* settle
      const lease = only(yield* store.list((yield* driver.capabilities).hostId))
      yield* store.delete(lease, lease.token)
      yield* driver.remove(info.id)
      yield* Deferred.succeed(gone, undefined)
      assert.strictEqual((yield* Fiber.join(use))._tag, "LeaseLost")
    }),
  )
})

describe("a creation that fails", () => {
  const setting = Effect.gen(function* () {
    const driver = yield* makeDriver
    const store = yield* memoryStore
    const { hostId } = yield* driver.capabilities
    return { driver, store, hostId }
  })

  it.effect("frees its quota", () =>
    Effect.gen(function* () {
      const { driver, store, hostId } = yield* setting
      let refuse = true
      const refused = new EngineUnreachable({ endpoint: "here", reason: "it is away" })
      const { session } = yield* startProcess(
        {
          ...driver,
          create: (request) => (refuse ? Effect.fail(refused) : driver.create(request)),
        },
        store,
        { maxSandboxes: 1 },
      )
      assert.strictEqual((yield* Effect.flip(session.create()))._tag, "EngineUnreachable")
      assert.deepStrictEqual(yield* store.list(hostId), [])
      refuse = false
      yield* session.create()
    }),
  )

  it.effect("removes the sandbox whose lease could not begin", () =>
    Effect.gen(function* () {
      const { driver, store, hostId } = yield* setting
      const remote = makeRemote(store)
      const { session } = yield* startProcess(
        {
          ...driver,
          // The store goes away while the sandbox is made.
          create: (request) => Effect.tap(driver.create(request), remote.setAway(true)),
        },
        remote.store,
      )
      assert.strictEqual((yield* Effect.flip(session.create()))._tag, "LeaseStoreFailed")
      assert.deepStrictEqual(yield* driver.list(), [])
      yield* remote.setAway(false)
      yield* pass(2)
      assert.deepStrictEqual(yield* store.list(hostId), [])
    }),
  )
})

describe("a sandbox that a process with a store of its own uses", () => {
  it.effect("is kept while a command runs in it, and removed afterwards", () =>
    Effect.gen(function* () {
      const real = yield* makeDriver
      let busy = true
      const driver = silent({
        ...real,
        inspect: (id) => Effect.map(real.inspect(id), (info) => ({ ...info, busy })),
      })
      const { session } = yield* startProcess(driver, yield* memoryStore)
      const { id } = yield* session.create()
      yield* pass(45)
      assert.strictEqual((yield* real.inspect(id)).status, "running")
      busy = false
      yield* pass(11)
      assert.strictEqual((yield* real.inspect(id)).status, "stopped")
      yield* pass(10)
      assert.deepStrictEqual(yield* real.list(), [])
    }),
  )
})

describe("an engine that was restarted", () => {
  it.effect("has its sandboxes started by their next use, except those stopped on request", () =>
    Effect.gen(function* () {
      const real = yield* makeDriver
      let broken = yield* Deferred.make<never, EngineUnreachable>()
      const driver = {
        ...real,
        events: Stream.fromEffect(Effect.suspend(() => Deferred.await(broken))),
      }
      const { session } = yield* startProcess(driver, yield* memoryStore)
      const used = yield* session.create({ name: "used" })
      yield* used.files.write("kept", "yes")
      const stopped = yield* session.create({ name: "stopped" })
      yield* stopped.stop
      yield* settle
      // Nobody tells of it but the connection that breaks.
      yield* real.stop(used.id)
      const before = broken
      broken = yield* Deferred.make<never, EngineUnreachable>()
      yield* Deferred.fail(before, new EngineUnreachable({ endpoint: "here", reason: "restart" }))
      yield* settle
      assert.strictEqual((yield* used.run("cat kept")).stdout, "yes")
      assert.strictEqual((yield* Effect.flip(stopped.exec("true")))._tag, "SandboxNotRunning")
    }),
  )
})

describe("two hosts that report the same ID", () => {
  it.effect("are told apart: the second is refused, and the first loses no sandbox", () =>
    Effect.gen(function* () {
      const [, storage] = storages
      assert.isDefined(storage)
      const opened = yield* storage.open
      const start = Effect.fnUntraced(function* (hostMark: string) {
        const real = yield* makeDriver
        const capabilities = Effect.map(real.capabilities, (all) => ({
          ...all,
          hostId: "the same",
          hostMark,
        }))
        return yield* startProcess({ ...real, capabilities }, yield* opened)
      })
      const first = yield* start("first")
      const sandbox = yield* first.session.create()
      const second = yield* start("second")
      const refusal = yield* Effect.flip(second.session.create())
      assert.strictEqual(refusal._tag, "EngineError")
      assert.match(refusal.message, /give each one its own hostId/)
      yield* pass(2)
      yield* sandbox.run("true")
      assert.strictEqual((yield* Effect.flip(second.session.create()))._tag, "EngineError")
    }),
  )
})
