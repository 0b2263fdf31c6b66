import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Logger, Metric } from "effect"
import { TestClock } from "effect/testing"
import { EngineUnreachable, SandboxNotFound, type SettingsInput } from "../src/index.ts"
import {
  type Driver,
  makeDriver,
  makeRemote,
  memoryStore,
  only,
  pass,
  settle,
  silent,
  startProcess,
} from "./leaseStage.ts"

/** A process with one sandbox, whose store counts renewals and can be away. */
const begin = Effect.fnUntraced(function* (settings?: SettingsInput, change?: Partial<Driver>) {
  const driver = yield* makeDriver
  const store = yield* memoryStore
  const remote = makeRemote(store)
  let renewals = 0
  const renew: typeof store.renew = (key, token) => {
    renewals += 1
    return remote.store.renew(key, token)
  }
  const { session, leases } = yield* startProcess(
    silent({ ...driver, ...change }),
    { ...remote.store, renew },
    settings,
  )
  const sandbox = yield* session.create({ name: "a" })
  const { hostId } = yield* driver.capabilities
  /** A use that goes on until it is finished with some result, and what became of it. */
  const start = Effect.gen(function* () {
    const warnings: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") warnings.push(String(message))
    })
    const done = yield* Deferred.make<string, Error>()
    const use = yield* leases
      .use(sandbox.info)(Deferred.await(done))
      .pipe(
        Effect.match({
          onSuccess: (result) => result,
          onFailure: (error) => ("_tag" in error ? error._tag : error.message),
        }),
        Effect.provide(Logger.layer([logger])),
        Effect.forkChild,
      )
    yield* settle
    const outcome = Fiber.join(use)
    return {
      warnings,
      outcome,
      finish: Effect.andThen(Deferred.succeed(done, "result"), outcome),
      fail: (error: Error) => Effect.andThen(Deferred.fail(done, error), outcome),
    }
  })
  return {
    driver,
    store,
    sandbox,
    start,
    setAway: remote.setAway,
    renewals: () => renewals,
    lease: Effect.map(store.list(hostId), only),
  }
})

const losses = Effect.map(
  Metric.snapshot,
  (all) => all.find(({ id }) => id === "cordon.lease.losses")?.state,
)

describe("a use", () => {
  it.effect("renews its lease three times per lease duration, and at its end", () =>
    Effect.gen(function* () {
      const { start, renewals, lease } = yield* begin()
      const use = yield* start
      const before = renewals()
      yield* pass(9)
      assert.strictEqual(renewals() - before, 2)
      assert.strictEqual(yield* use.finish, "result")
      assert.strictEqual(renewals() - before, 3)
      assert.strictEqual((yield* lease).unusedFor, 0)
    }),
  )

  it.effect("that is short calls the store once", () =>
    Effect.gen(function* () {
      const { start, renewals } = yield* begin()
      yield* pass(8)
      for (let n = 1; n <= 3; n++) {
        const use = yield* start
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* use.finish, "result")
        assert.strictEqual(renewals(), n)
      }
    }),
  )

  it.effect(
    "keeps its result when it ended within its lease, even if the sandbox was taken meanwhile",
    () =>
      Effect.gen(function* () {
        const { start, store, lease } = yield* begin()
        const use = yield* start
        const held = yield* lease
        yield* store.change(held, held.token, { phase: "removing" })
        yield* pass(2)
        assert.strictEqual(yield* use.finish, "result")
      }),
  )

  it.effect("fails with SandboxNotRunning when another process stops the sandbox", () =>
    Effect.gen(function* () {
      const { driver, start, store, lease } = yield* begin()
      const use = yield* start
      const held = yield* lease
      yield* store.change(held, held.token, { phase: "stopped" })
      yield* driver.stop(held.id)
      yield* pass(4)
      assert.strictEqual(yield* use.outcome, "SandboxNotRunning")
      assert.isUndefined(yield* losses)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())),
  )

  it.effect(
    "fails with LeaseLost when its sandbox was made again, even if the new one is stopped",
    () =>
      Effect.gen(function* () {
        const { start, store, lease } = yield* begin()
        const use = yield* start
        const held = yield* lease
        yield* store.change(held, held.token, { phase: "stopped", instanceId: "another" })
        yield* pass(4)
        assert.strictEqual(yield* use.outcome, "LeaseLost")
        assert.deepInclude(yield* losses, { count: 1 })
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())),
  )

  it.effect(
    "that found its sandbox stopped without a known reason lets the next use start it",
    () =>
      Effect.gen(function* () {
        const { driver, sandbox } = yield* begin()
        yield* sandbox.run("true")
        yield* driver.stop(sandbox.id)
        assert.strictEqual((yield* Effect.flip(sandbox.exec("true")))._tag, "SandboxNotRunning")
        assert.strictEqual((yield* sandbox.exec("exit 3")).exitCode, 3)
      }),
  )
})

describe("a use whose lease store becomes unreachable", () => {
  it.effect("tries to renew every two seconds, and warns once", () =>
    Effect.gen(function* () {
      const { start, setAway, lease } = yield* begin()
      const use = yield* start
      yield* setAway(true)
      yield* pass(5)
      assert.strictEqual(use.warnings.length, 1)
      assert.match(use.warnings[0] ?? "", /it is away/)
      yield* setAway(false)
      yield* TestClock.adjust("2 seconds")
      assert.isBelow((yield* lease).unusedFor, 2000)
      // It is renewed again a third of its time later.
      yield* pass(4)
      assert.isBelow((yield* lease).unusedFor, 60_000)
      assert.strictEqual(yield* use.finish, "result")
    }),
  )

  it.effect("tries more often when its lease is short", () =>
    Effect.gen(function* () {
      const { start, setAway, lease } = yield* begin({ idleTimeout: "3 seconds" })
      const use = yield* start
      yield* setAway(true)
      yield* TestClock.adjust("1500 millis")
      yield* setAway(false)
      yield* TestClock.adjust("100 millis")
      assert.isAtMost((yield* lease).unusedFor, 100)
      assert.strictEqual(yield* use.finish, "result")
    }),
  )

  it.effect("keeps its result if its lease had not expired, whatever the host says", () =>
    Effect.gen(function* () {
      const { driver, sandbox, start, setAway } = yield* begin()
      const use = yield* start
      yield* pass(14)
      yield* setAway(true)
      yield* driver.stop(sandbox.id)
      yield* pass(2)
      assert.strictEqual(yield* use.finish, "result")
      assert.strictEqual(use.warnings.length, 1)
    }),
  )

  it.effect("loses its result if the host has another sandbox in its place", () =>
    Effect.gen(function* () {
      const { driver, sandbox, start, setAway } = yield* begin()
      const use = yield* start
      yield* setAway(true)
      yield* pass(15)
      const { info } = sandbox
      const { limits, network, lease, name, image, runtime } = info
      yield* driver.remove(info.id)
      const spec = { name, image, runtime, limits, network, lease, env: {} }
      yield* driver.create({ id: info.id, session: info.session, spec })
      assert.strictEqual(yield* use.finish, "LeaseStoreFailed")
    }),
  )

  it.effect("fails when the host does not answer either", () =>
    Effect.gen(function* () {
      const away = new EngineUnreachable({ endpoint: "here", reason: "it is away" })
      let hostAway = false
      const real = yield* makeDriver
      const { start, setAway } = yield* begin(undefined, {
        ...real,
        inspect: (id) => (hostAway ? Effect.fail(away) : real.inspect(id)),
      })
      const use = yield* start
      hostAway = true
      yield* setAway(true)
      yield* pass(15)
      assert.strictEqual(yield* use.finish, "LeaseStoreFailed")
    }),
  )
})

describe("a use that fails", () => {
  const broken = new Error("broken")

  it.effect("fails with its own error while its lease lasts, even if the sandbox was taken", () =>
    Effect.gen(function* () {
      const { start, store, lease } = yield* begin()
      const use = yield* start
      const held = yield* lease
      yield* store.change(held, held.token, { phase: "removing" })
      yield* pass(2)
      assert.strictEqual(yield* use.fail(broken), "broken")
    }),
  )

  it.effect("fails with LeaseLost after its lease expired, if the sandbox was taken", () =>
    Effect.gen(function* () {
      const { start, store, setAway, lease } = yield* begin()
      const use = yield* start
      const held = yield* lease
      yield* setAway(true)
      yield* pass(15)
      yield* store.change(held, held.token, { phase: "idle" })
      yield* setAway(false)
      assert.strictEqual(yield* use.fail(broken), "LeaseLost")
    }),
  )

  it.effect(
    "fails with its own error if nobody took the sandbox, or it was stopped on request",
    () =>
      Effect.gen(function* () {
        const { start, store, setAway, lease } = yield* begin()
        for (const phase of [undefined, "stopped"] as const) {
          const use = yield* start
          const held = yield* lease
          yield* setAway(true)
          yield* pass(15)
          if (phase !== undefined) yield* store.change(held, held.token, { phase })
          yield* setAway(false)
          assert.strictEqual(yield* use.fail(broken), "broken")
        }
      }),
  )

  it.effect("fails with SandboxNotFound when the store does not know who took the sandbox", () =>
    Effect.gen(function* () {
      const { start, sandbox } = yield* begin()
      const use = yield* start
      const gone = new SandboxNotFound({ sandbox: sandbox.id })
      assert.strictEqual(yield* use.fail(gone), "SandboxNotFound")
    }),
  )
})
