import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { EngineUnreachable } from "../src/index.ts"
import {
  type Driver,
  makeDriver,
  makeRemote,
  settle,
  silent,
  startProcess,
  storages,
} from "./leaseStage.ts"

const [inMemory, inFile] = storages
assert.isDefined(inMemory)
assert.isDefined(inFile)

/** Lets time pass in steps of a tenth of a second. */
const tick = Effect.fnUntraced(function* (seconds: number) {
  for (let step = 0; step < seconds * 10; step++) {
    yield* TestClock.adjust("100 millis")
    yield* settle
  }
})

describe("a reaper", () => {
  it.effect("stops and removes soon after a short time has run out", () =>
    Effect.gen(function* () {
      const driver = yield* makeDriver
      const settings = { idleTimeout: "3 seconds", removeTimeout: "6 seconds" } as const
      const store = yield* yield* inMemory.open
      const { session } = yield* startProcess(silent(driver), store, settings)
      const { id } = yield* session.create()
      yield* tick(2.9)
      assert.strictEqual((yield* driver.inspect(id)).status, "running")
      yield* tick(0.5)
      assert.strictEqual((yield* driver.inspect(id)).status, "stopped")
      yield* tick(2.5)
      assert.strictEqual((yield* driver.list()).length, 1)
      yield* tick(0.5)
      assert.strictEqual((yield* driver.list()).length, 0)
    }),
  )

  for (const [idleTimeout, passes] of [
    ["10 minutes", 4],
    ["50 millis", 600],
  ] as const) {
    it.effect(`runs at most ${passes} times a minute with an idle timeout of ${idleTimeout}`, () =>
      Effect.gen(function* () {
        const driver = yield* makeDriver
        const real = yield* yield* inMemory.open
        let looks = 0
        const claimDue: typeof real.claimDue = (host, options) => {
          looks += 1
          return real.claimDue(host, options)
        }
        yield* startProcess(silent(driver), { ...real, claimDue }, { idleTimeout })
        yield* settle
        looks = 0
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(looks, passes)
      }),
    )
  }

  it.effect("compares store and host once per interval, whichever process's reaper does", () =>
    Effect.gen(function* () {
      const driver = yield* makeDriver
      const open = yield* inFile.open
      let comparisons = 0
      const start = Effect.flatMap(open, (real) => {
        const list: typeof real.list = (host) => {
          comparisons += 1
          return real.list(host)
        }
        return startProcess(silent(driver), { ...real, list })
      })
      yield* start
      yield* TestClock.adjust("5 seconds")
      yield* start
      yield* settle
      comparisons = 0
      for (let n = 1; n <= 8; n++) {
        yield* TestClock.adjust("15 seconds")
        yield* settle
        assert.strictEqual(comparisons, n)
      }
    }),
  )
})

describe("a sandbox that stops while its host's events are interrupted", () => {
  type Call = "create" | "start" | "inspect"

  /** A host whose events break when told to, and which can be made to wait before a call. */
  const begin = Effect.gen(function* () {
    const real = yield* makeDriver
    let events = yield* Deferred.make<never, EngineUnreachable>()
    let gate: { readonly call: Call; readonly go: Deferred.Deferred<void> } | undefined
    const before = (call: Call) =>
      Effect.suspend(() => (gate?.call === call ? Deferred.await(gate.go) : Effect.void))
    const driver: Driver = {
      ...real,
      events: Stream.fromEffect(Effect.suspend(() => Deferred.await(events))),
      create: (request) => Effect.andThen(before("create"), real.create(request)),
      start: (id) => Effect.andThen(before("start"), real.start(id)),
      inspect: (id) => Effect.andThen(before("inspect"), real.inspect(id)),
    }
    const store = yield* yield* inMemory.open
    const { session } = yield* startProcess(driver, store)
    yield* settle
    const interrupt = Effect.gen(function* () {
      const before = events
      events = yield* Deferred.make<never, EngineUnreachable>()
      yield* Deferred.fail(before, new EngineUnreachable({ endpoint: "here", reason: "restart" }))
      yield* TestClock.adjust("200 millis")
      yield* settle
    })
    /** Interrupts the events while somebody waits for a call of the host. */
    const during = <A, E, R>(call: Call, effect: Effect.Effect<A, E, R>) =>
      Effect.gen(function* () {
        const go = yield* Deferred.make<void>()
        gate = { call, go }
        const fiber = yield* Effect.forkChild(effect)
        yield* settle
        yield* interrupt
        gate = undefined
        yield* Deferred.succeed(go, undefined)
        return yield* Fiber.join(fiber)
      })
    return { real, session, interrupt, during }
  })

  it.effect("is started by its next use after an interruption during its creation", () =>
    Effect.gen(function* () {
      const { real, session, during } = yield* begin
      const sandbox = yield* during("create", session.create())
      yield* real.stop(sandbox.id)
      assert.strictEqual((yield* sandbox.exec("exit 3")).exitCode, 3)
    }),
  )

  it.effect("is started by its next use after an interruption during an inspection", () =>
    Effect.gen(function* () {
      const { real, session, interrupt, during } = yield* begin
      const sandbox = yield* session.create()
      yield* interrupt
      yield* during("inspect", sandbox.run("true"))
      yield* real.stop(sandbox.id)
      assert.strictEqual((yield* sandbox.exec("exit 3")).exitCode, 3)
    }),
  )

  it.effect("is started by its next use after an interruption during its start", () =>
    Effect.gen(function* () {
      const { real, session, interrupt, during } = yield* begin
      const sandbox = yield* session.create()
      yield* real.stop(sandbox.id)
      yield* interrupt
      yield* during("start", sandbox.run("true"))
      yield* real.stop(sandbox.id)
      assert.strictEqual((yield* sandbox.exec("exit 3")).exitCode, 3)
    }),
  )
})

describe("the events of a host", () => {
  it.effect("are watched again within a second after the stream broke, however often", () =>
    Effect.gen(function* () {
      const real = yield* makeDriver
      const broken = new EngineUnreachable({ endpoint: "here", reason: "restart" })
      let attempts = 0
      const driver: Driver = {
        ...real,
        events: Stream.unwrap(
          Effect.suspend(() =>
            attempts++ < 5 ? Effect.fail(broken) : Effect.succeed(real.events),
          ),
        ),
      }
      const { session } = yield* startProcess(driver, yield* yield* inMemory.open)
      yield* tick(1)
      const sandbox = yield* session.create()
      assert.strictEqual(attempts, 6)
      yield* real.stop(sandbox.id)
      yield* settle
      assert.strictEqual((yield* sandbox.exec("exit 3")).exitCode, 3)
    }),
  )

  it.effect("report a stop also while the store is unreachable, and later stops", () =>
    Effect.gen(function* () {
      const driver = yield* makeDriver
      const remote = makeRemote(yield* yield* inMemory.open)
      const { session } = yield* startProcess(driver, remote.store)
      yield* settle
      const sandbox = yield* session.create()
      for (const away of [true, false, true]) {
        yield* remote.setAway(away)
        yield* driver.stop(sandbox.id)
        yield* settle
        yield* remote.setAway(false)
        assert.strictEqual((yield* sandbox.exec("exit 3")).exitCode, 3)
      }
    }),
  )

  it.effect("report a stop at once, so that the next use starts the sandbox", () =>
    Effect.gen(function* () {
      const driver = yield* makeDriver
      const { session } = yield* startProcess(driver, yield* yield* inMemory.open)
      yield* settle
      const sandbox = yield* session.create()
      yield* driver.stop(sandbox.id)
      yield* settle
      assert.strictEqual((yield* sandbox.exec("exit 3")).exitCode, 3)
    }),
  )
})
