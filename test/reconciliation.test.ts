import {
  type Lease,
  LeaseStore,
  Leases,
  leaseStoreMemory,
  SandboxDriver,
  Sandboxes,
  type SandboxSession,
  Settings,
} from "@cordon/core"
import * as memory from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"

type Driver = SandboxDriver["Service"]
type Store = LeaseStore["Service"]

const serviceOf = <I, S>(tag: Context.Service<I, S>, layer: Layer.Layer<I>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, tag))

/** A host, and a store that all processes on it share. */
const makeHost = Effect.gen(function* () {
  const driver: Driver = yield* serviceOf(SandboxDriver, memory.layer())
  const store: Store = {
    ...(yield* serviceOf(LeaseStore, leaseStoreMemory)),
    shared: true,
  }
  return { driver, store, host: (yield* driver.capabilities).hostId }
})

/** Everything that is logged, by message. */
const makeLog = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => {
    lines.push(String(Array.isArray(message) ? message[0] : message))
  })
  return { lines, layer: Logger.layer([logger]) }
}

/** One process of a program. */
const startProcess = Effect.fnUntraced(function* (driver: Driver, store: Store) {
  const log = makeLog()
  const context = yield* Layer.build(
    Sandboxes.layerLeases.pipe(
      Layer.provideMerge(Leases.layer),
      Layer.provide(Settings.layer({ removeOnClose: false, maxSandboxes: 100 })),
      Layer.provide(Layer.succeed(SandboxDriver, driver)),
      Layer.provide(Layer.succeed(LeaseStore, store)),
      Layer.provide(log.layer),
    ),
  )
  const session = yield* Context.get(context, Sandboxes).session("s")
  return { session, reap: Context.get(context, Leases).reap, log: log.lines }
})

/** Lets time pass in steps, and what runs in the background act after each. */
const pass = Effect.fnUntraced(function* (seconds: number) {
  for (let step = 0; step < seconds / 15; step++) {
    yield* TestClock.adjust("15 seconds")
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  }
})

const statusOf = (session: SandboxSession) =>
  Effect.map(session.list, (list) => list.map((info) => info.status).join())

const only = (leases: ReadonlyArray<Lease>): Lease => {
  assert.strictEqual(leases.length, 1)
  const [lease] = leases
  assert.isDefined(lease)
  return lease
}

describe("when the lease store and the host disagree", () => {
  it.effect("a container without a lease gets one", () =>
    Effect.gen(function* () {
      const { driver, store, host } = yield* makeHost
      const { session, log } = yield* startProcess(driver, store)
      const sandbox = yield* session.create()
      const lease = only(yield* store.list(host))
      yield* pass(9 * 60)
      yield* store.delete(lease, lease.token)
      yield* pass(30)
      assert.include(log, "Found a sandbox without a lease")
      const adopted = only(yield* store.list(host))
      assert.strictEqual(adopted.instanceId, sandbox.info.instanceId)
      assert.isBelow(adopted.unusedFor, 60_000)
      yield* pass(8 * 60)
      assert.strictEqual(yield* statusOf(session), "running")
      yield* pass(13 * 60)
      assert.strictEqual(yield* statusOf(session), "")
    }),
  )

  it.effect("a container of another lease store is left to that store's processes", () =>
    Effect.gen(function* () {
      const { driver, store, host } = yield* makeHost
      const theirs = yield* serviceOf(LeaseStore, leaseStoreMemory)
      const other = yield* startProcess(driver, { ...theirs, shared: true, id: "other" })
      const made = yield* other.session.create({ name: "theirs" })
      const { session, log } = yield* startProcess(driver, { ...store, id: "own" })
      const own = yield* session.create({ name: "own" })
      assert.deepStrictEqual([made.info.lease.store, own.info.lease.store], ["other", "own"])
      // They use it, which nobody else hears of.
      const use = yield* Effect.forkScoped(
        Effect.forever(Effect.delay(made.exec("true"), "1 minute")),
      )
      yield* pass(15 * 60)
      assert.notInclude(log, "Found a sandbox without a lease")
      assert.deepStrictEqual(
        (yield* store.list(host)).map(({ id }) => id),
        [own.id],
      )
      assert.strictEqual((yield* driver.inspect(made.id)).status, "running")
      assert.strictEqual((yield* driver.inspect(own.id)).status, "stopped")
      yield* Fiber.interrupt(use)
    }),
  )

  it.effect("a container that another process is still creating is not stopped", () =>
    Effect.gen(function* () {
      const { driver: real, store, host } = yield* makeHost
      let started = false
      const list: typeof real.list = (session) =>
        Effect.map(real.list(session), (all) =>
          all.map((info) => (started ? info : { ...info, status: "created" as const })),
        )
      const { session, log } = yield* startProcess({ ...real, list }, store)
      const sandbox = yield* session.create()
      const lease = only(yield* store.list(host))
      yield* store.delete(lease, lease.token)
      yield* pass(30)
      assert.include(log, "Found a sandbox without a lease")
      started = true
      yield* pass(60)
      assert.strictEqual((yield* real.inspect(sandbox.id)).status, "running")
    }),
  )

  it.effect("a lease without a container is deleted, which frees its name and quota", () =>
    Effect.gen(function* () {
      const { driver, store, host } = yield* makeHost
      const { session, log } = yield* startProcess(driver, store)
      const sandbox = yield* session.create({ name: "a" })
      yield* driver.remove(sandbox.id)
      yield* pass(30)
      assert.include(log, "Forgot the lease of a sandbox that is gone")
      assert.deepStrictEqual(yield* store.list(host), [])
      // Also where the next one is faster than the comparison.
      const again = yield* session.create({ name: "a" })
      yield* driver.remove(again.id)
      yield* session.create({ name: "a" })
    }),
  )

  it.effect(
    "a container made again under the name takes over the lease, and old holders lose it",
    () =>
      Effect.gen(function* () {
        const { driver, store, host } = yield* makeHost
        const { session, log } = yield* startProcess(driver, store)
        const old = yield* session.create({ name: "a" })
        yield* driver.remove(old.id)
        const { info } = old
        const { limits, network, lease, name, image, runtime } = info
        const spec = { name, image, runtime, limits, network, lease, env: {} }
        const made = yield* driver.create({ id: old.id, session: info.session, spec })
        yield* pass(30)
        assert.include(log, "A sandbox was created again without its lease")
        assert.strictEqual(only(yield* store.list(host)).instanceId, made.instanceId)
        assert.strictEqual((yield* Effect.flip(old.exec("true")))._tag, "LeaseLost")
        assert.strictEqual((yield* Effect.flip(old.stop))._tag, "LeaseLost")
        assert.strictEqual((yield* Effect.flip(old.remove))._tag, "SandboxNotFound")
        assert.strictEqual(yield* statusOf(session), "running")
        assert.strictEqual((yield* (yield* session.get("a")).exec("exit 3")).exitCode, 3)
      }),
  )

  it.effect(
    "a stopped container with an active lease is started by its next use, with its files",
    () =>
      Effect.gen(function* () {
        const { driver: real, store, host } = yield* makeHost
        // As after a restart of the engine: nobody has told us.
        const { events } = yield* serviceOf(SandboxDriver, memory.layer())
        const driver = { ...real, events }
        const { session, log } = yield* startProcess(driver, store)
        const sandbox = yield* session.create()
        yield* sandbox.files.write("kept", "yes")
        yield* driver.stop(sandbox.id)
        yield* pass(30)
        assert.include(log, "A sandbox was stopped from outside")
        assert.strictEqual(only(yield* store.list(host)).phase, "idle")
        assert.strictEqual((yield* sandbox.run("cat kept")).stdout, "yes")
      }),
  )

  it.effect(
    "a running container with an idle lease is stopped, as an interrupted stop intended",
    () =>
      Effect.gen(function* () {
        const { driver, store, host } = yield* makeHost
        const { session, log } = yield* startProcess(driver, store)
        const sandbox = yield* session.create()
        const lease = only(yield* store.list(host))
        yield* store.change(lease, lease.token, { phase: "stopped" })
        yield* pass(30)
        assert.include(log, "Finishing a stop that was interrupted")
        assert.strictEqual(yield* statusOf(session), "stopped")
        assert.strictEqual((yield* Effect.flip(sandbox.exec("true")))._tag, "SandboxNotRunning")
        yield* sandbox.start
        assert.strictEqual(yield* statusOf(session), "running")
      }),
  )

  it.effect("leftovers of an interrupted creation are removed within two minutes", () =>
    Effect.gen(function* () {
      const { driver, store, host } = yield* makeHost
      const { session, log } = yield* startProcess(driver, store)
      const probe = yield* session.create({ name: "a" })
      const lease = only(yield* store.list(host))
      // As its process leaves it that died after the container was made and before it said so.
      const { info } = probe
      yield* store.delete(lease, lease.token)
      yield* store.insert({
        ...lease,
        instanceId: "",
        phase: "creating",
        idleTimeout: 60_000,
        removeTimeout: 60_000,
      })
      assert.strictEqual(
        (yield* Effect.flip(session.create({ name: "a" })))._tag,
        "SandboxNameTaken",
      )
      yield* pass(45)
      assert.strictEqual(yield* statusOf(session), "running")
      yield* pass(75)
      assert.include(log, "Removing the remains of an interrupted creation")
      assert.strictEqual(yield* statusOf(session), "")
      assert.deepStrictEqual(yield* store.list(host), [])
      assert.notStrictEqual((yield* session.create({ name: "a" })).info.instanceId, info.instanceId)
    }),
  )

  it.effect(
    "an interrupted removal is finished by a reaper or by the next creation under the name",
    () =>
      Effect.gen(function* () {
        const { driver, store, host } = yield* makeHost
        const { session, log } = yield* startProcess(driver, store)
        yield* session.create({ name: "a" })
        const lease = only(yield* store.list(host))
        yield* store.change(lease, lease.token, { phase: "removing", claim: 0 })
        const second = yield* session.create({ name: "a" })
        assert.notStrictEqual(second.info.instanceId, lease.instanceId)
        const again = only(yield* store.list(host))
        yield* store.change(again, again.token, { phase: "removing", claim: 30_000 })
        assert.strictEqual((yield* Effect.flip(second.exec("true")))._tag, "SandboxNotFound")
        yield* pass(15)
        assert.strictEqual(yield* statusOf(session), "running")
        yield* pass(45)
        assert.include(log, "Finishing a removal that was interrupted")
        assert.strictEqual(yield* statusOf(session), "")
        assert.deepStrictEqual(yield* store.list(host), [])
      }),
  )

  it.effect("a network without a container is removed and logged", () =>
    Effect.gen(function* () {
      const { driver: real, store } = yield* makeHost
      const left = ["cordon-network"]
      const driver: Driver = { ...real, sweep: () => Effect.sync(() => left.splice(0)) }
      const { log } = yield* startProcess(driver, store)
      yield* pass(15)
      assert.deepStrictEqual(left, [])
      assert.include(log, "Removed what a crash left")
    }),
  )

  it.effect("leases of another host are left alone", () =>
    Effect.gen(function* () {
      const one = yield* makeHost
      const other = yield* makeHost
      const first = yield* startProcess(one.driver, one.store)
      const second = yield* startProcess(other.driver, one.store)
      yield* first.session.create({ name: "a" })
      yield* second.session.create({ name: "a" })
      yield* pass(30)
      assert.strictEqual((yield* one.store.list(one.host)).length, 1)
      assert.strictEqual((yield* one.store.list(other.host)).length, 1)
      assert.strictEqual(yield* statusOf(first.session), "running")
      yield* pass(21 * 60)
      assert.strictEqual(yield* statusOf(first.session), "")
      assert.strictEqual(yield* statusOf(second.session), "")
    }),
  )
})

describe("many processes with one lease store", () => {
  it.effect("stop and remove each sandbox once", () =>
    Effect.gen(function* () {
      const { driver: real, store, host } = yield* makeHost
      const calls = { stop: 0, remove: 0 }
      const driver: Driver = {
        ...real,
        stop: (id) =>
          Effect.andThen(
            Effect.sync(() => calls.stop++),
            real.stop(id),
          ),
        remove: (id, instance) =>
          Effect.andThen(
            Effect.sync(() => calls.remove++),
            real.remove(id, instance),
          ),
      }
      const processes = yield* Effect.forEach([1, 2, 3, 4], () => startProcess(driver, store))
      const [first] = processes
      assert.isDefined(first)
      yield* Effect.forEach(Array.from({ length: 30 }), () => first.session.create())
      yield* pass(10 * 60 + 15)
      assert.deepStrictEqual(calls, { stop: 30, remove: 0 })
      yield* pass(10 * 60 + 15)
      assert.deepStrictEqual(calls, { stop: 30, remove: 30 })
      assert.deepStrictEqual(yield* store.list(host), [])
    }),
  )

  it.effect("stop no sandbox that one of them uses", () =>
    Effect.gen(function* () {
      const { driver, store } = yield* makeHost
      const [one, other] = yield* Effect.forEach([1, 2], () => startProcess(driver, store))
      assert.isDefined(one)
      assert.isDefined(other)
      const sandbox = yield* one.session.create({ name: "a" })
      for (let n = 0; n < 5; n++) {
        yield* pass(9 * 60)
        yield* (n % 2 === 0 ? sandbox : yield* other.session.get("a")).run("true")
        assert.strictEqual(yield* statusOf(one.session), "running")
      }
    }),
  )

  it.effect("start an idle sandbox once, however many use it at the same time", () =>
    Effect.gen(function* () {
      const { driver: real, store, host } = yield* makeHost
      let starts = 0
      const driver: Driver = {
        ...real,
        start: (id) =>
          Effect.andThen(
            Effect.sync(() => starts++),
            real.start(id),
          ),
      }
      const processes = yield* Effect.forEach([1, 2, 3], () => startProcess(driver, store))
      yield* processes[0]?.session.create({ name: "a" }) ?? Effect.void
      yield* pass(11 * 60)
      assert.strictEqual(only(yield* store.list(host)).phase, "idle")
      const running = yield* Effect.forkChild(
        Effect.forEach(
          processes,
          ({ session }) => Effect.flatMap(session.get("a"), (sandbox) => sandbox.run("echo up")),
          { concurrency: "unbounded" },
        ),
      )
      yield* TestClock.adjust("1 second")
      const results = yield* Fiber.join(running)
      assert.deepStrictEqual(
        results.map(({ stdout }) => stdout),
        ["up\n", "up\n", "up\n"],
      )
      assert.strictEqual(starts, 1)
    }),
  )

  it.effect("stop a sandbox in which a crashed worker's command still runs", () =>
    Effect.gen(function* () {
      const { driver: real, store } = yield* makeHost
      // A command that nobody waits for any more runs on in it.
      const driver: Driver = {
        ...real,
        inspect: (id) => Effect.map(real.inspect(id), (info) => ({ ...info, busy: true })),
      }
      const { session } = yield* startProcess(driver, store)
      yield* session.create()
      yield* pass(11 * 60)
      assert.strictEqual(yield* statusOf(session), "stopped")
      yield* pass(10 * 60)
      assert.strictEqual(yield* statusOf(session), "")
    }),
  )
})
