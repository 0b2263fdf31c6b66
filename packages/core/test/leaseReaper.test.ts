import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Stream } from "effect"
import { TestClock } from "effect/testing"
import { EngineError, SandboxEvent } from "../src/index.ts"
import {
  type Driver,
  makeDriver,
  memoryStore,
  only,
  pass,
  settle,
  startProcess,
} from "./leaseStage.ts"

/** A process over a host, with what it logs. */
const begin = Effect.fnUntraced(function* (
  options: {
    readonly shared?: boolean
    readonly change?: (driver: Driver) => Partial<Driver>
  } = {},
) {
  const driver = yield* makeDriver
  const store = { ...(yield* memoryStore), shared: options.shared ?? false }
  const log: Array<string> = []
  const logger = Logger.make(({ message }) => {
    log.push(String(Array.isArray(message) ? message[0] : message))
  })
  const { session, leases } = yield* startProcess(
    { ...driver, ...options.change?.(driver) },
    store,
  ).pipe(Effect.provide(Logger.layer([logger])))
  yield* settle
  const { hostId } = yield* driver.capabilities
  return {
    driver,
    store,
    session,
    log,
    reap: Effect.provide(leases.reap, Logger.layer([logger])),
    list: store.list(hostId),
    lease: Effect.map(store.list(hostId), only),
  }
})

const refused = new EngineError({
  operation: "stop",
  reason: { _tag: "Failed" },
  status: 500,
  detail: "refused",
})

describe("a reaper", () => {
  it.effect("stops the other sandboxes when one can't be stopped, and logs which one", () =>
    Effect.gen(function* () {
      const { driver, session, log } = yield* begin({
        change: (real) => ({
          stop: (id) => (id.endsWith("a") ? Effect.fail(refused) : real.stop(id)),
        }),
      })
      yield* session.create({ name: "a" })
      yield* session.create({ name: "b" })
      yield* pass(11)
      const statuses = (yield* driver.list()).map(({ name, status }) => `${name} ${status}`)
      assert.sameMembers(statuses, ["a running", "b stopped"])
      assert.include(log, "Could not settle a lease")
    }),
  )

  it.effect("stops four sandboxes at a time when stopping takes long", () =>
    Effect.gen(function* () {
      let stopping = 0
      const { session } = yield* begin({
        change: () => ({
          stop: () => {
            stopping += 1
            return Effect.never
          },
        }),
      })
      yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => session.create())
      yield* pass(11)
      assert.strictEqual(stopping, 4)
    }),
  )

  it.effect("logs nothing when there is nothing to do", () =>
    Effect.gen(function* () {
      const { session, log } = yield* begin()
      yield* session.create()
      yield* pass(5)
      assert.deepStrictEqual(log, [])
    }),
  )

  it.effect(
    "forgets a missing sandbox that it was about to stop or remove, without a warning",
    () =>
      Effect.gen(function* () {
        const { driver, session, list, log, reap } = yield* begin({
          change: () => ({ events: Stream.never }),
        })
        for (const minutes of [10, 20]) {
          const { id } = yield* session.create({ name: "a" })
          yield* pass(minutes - 1)
          yield* TestClock.adjust("50 seconds")
          yield* settle
          yield* driver.remove(id)
          yield* TestClock.adjust("20 seconds")
          yield* reap
          assert.deepStrictEqual(yield* list, [])
        }
        assert.notInclude(log, "Could not settle a lease")
      }),
  )

  it.effect("leaves a missing sandbox to the process that claims its lease", () =>
    Effect.gen(function* () {
      const { driver, store, session, lease, list } = yield* begin()
      const { id } = yield* session.create()
      const held = yield* lease
      yield* store.change(held, held.token, { claim: 60_000 })
      yield* driver.remove(id)
      yield* pass(0.5)
      assert.strictEqual((yield* list).length, 1)
      yield* pass(1)
      assert.deepStrictEqual(yield* list, [])
    }),
  )

  it.effect("finishes an interrupted removal, also of a sandbox in use or stopped", () =>
    Effect.gen(function* () {
      const { driver, store, session, lease, list } = yield* begin()
      for (const stopped of [false, true]) {
        const { id } = yield* session.create()
        if (stopped) yield* driver.stop(id)
        yield* settle
        const held = yield* lease
        yield* store.change(held, held.token, { phase: "removing", claim: 20_000 })
        yield* pass(1)
        assert.deepStrictEqual(yield* list, [])
        assert.deepStrictEqual(yield* driver.list(), [])
      }
    }),
  )
})

describe("an event of the host", () => {
  it.effect("about a stop makes the sandbox idle at once, and the next use starts it", () =>
    Effect.gen(function* () {
      const { driver, session, lease, log } = yield* begin()
      const sandbox = yield* session.create()
      yield* driver.stop(sandbox.id)
      yield* settle
      assert.strictEqual((yield* lease).phase, "idle")
      assert.include(log, "A sandbox was stopped from outside")
    }),
  )

  it.effect("about a start makes the sandbox active at once", () =>
    Effect.gen(function* () {
      const { driver, session, lease } = yield* begin()
      const sandbox = yield* session.create()
      yield* pass(11)
      assert.strictEqual((yield* lease).phase, "idle")
      yield* driver.start(sandbox.id)
      yield* settle
      assert.deepInclude(yield* lease, { phase: "active", unusedFor: 0 })
    }),
  )

  it.effect("about a start of a sandbox stopped on request makes it active as well", () =>
    Effect.gen(function* () {
      const { driver, session, lease, log } = yield* begin()
      const sandbox = yield* session.create()
      yield* sandbox.stop
      yield* driver.start(sandbox.id)
      yield* pass(1)
      assert.strictEqual((yield* lease).phase, "active")
      assert.include(log, "A sandbox was started from outside")
      assert.strictEqual((yield* driver.inspect(sandbox.id)).status, "running")
    }),
  )

  it.effect("about a use by another program keeps the sandbox while that program uses it", () =>
    Effect.gen(function* () {
      let elsewhere = 60_000
      const { driver, session } = yield* begin({
        change: (real) => ({
          inspect: (id) =>
            Effect.map(real.inspect(id), (info) => ({ ...info, unusedElsewhereFor: elsewhere })),
        }),
      })
      const sandbox = yield* session.create()
      const status = Effect.map(driver.inspect(sandbox.id), (info) => info.status)
      yield* pass(12)
      assert.strictEqual(yield* status, "running")
      elsewhere = 600_000
      yield* pass(12)
      assert.strictEqual(yield* status, "stopped")
    }),
  )

  it.effect("about a command or start changes no lease in a store that all programs share", () =>
    Effect.gen(function* () {
      const { driver, session, lease } = yield* begin({ shared: true })
      const sandbox = yield* session.create()
      yield* pass(2)
      yield* Stream.runDrain(driver.exec(sandbox.id, { command: "true" }))
      yield* settle
      assert.strictEqual((yield* lease).unusedFor, 120_000)
      yield* pass(9)
      yield* driver.start(sandbox.id)
      yield* settle
      assert.strictEqual((yield* lease).phase, "idle")
    }),
  )

  it.effect("about a stop that arrives after the next start changes nothing", () =>
    Effect.gen(function* () {
      const late: Array<SandboxEvent> = []
      const { session, lease } = yield* begin({
        change: () => ({
          events: Stream.unwrap(
            Effect.as(
              Effect.sleep("1 minute"),
              Stream.concat(Stream.fromIterable(late), Stream.never),
            ),
          ),
        }),
      })
      const sandbox = yield* session.create()
      late.push(SandboxEvent.Stopped({ id: sandbox.id }))
      const { token } = yield* lease
      yield* pass(2)
      assert.deepInclude(yield* lease, { phase: "active", token })
    }),
  )

  it.effect("about a stop under another process's claim changes nothing", () =>
    Effect.gen(function* () {
      const { driver, store, session, lease } = yield* begin()
      const { id } = yield* session.create()
      const held = yield* lease
      yield* store.change(held, held.token, { claim: 60_000 })
      const { token } = yield* lease
      yield* driver.stop(id)
      yield* settle
      assert.deepInclude(yield* lease, { phase: "active", token })
    }),
  )
})
