import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Logger, PubSub, Stream } from "effect"
import { TestClock } from "effect/testing"
import { EngineError, type Lease, LeaseStoreFailed, SandboxEvent } from "../src/index.ts"
import {
  type Driver,
  makeDriver,
  memoryStore,
  only,
  pass,
  type Store,
  settle,
  startProcess,
} from "./leaseStage.ts"

type Act = (lease: Lease) => Effect.Effect<unknown, LeaseStoreFailed>

/** A process whose reaper reads leases, and another one that acts before it does. */
const begin = Effect.fnUntraced(function* (
  options: {
    readonly shared?: boolean
    readonly change?: (driver: Driver) => Partial<Driver>
  } = {},
) {
  const driver = yield* makeDriver
  const store = { ...(yield* memoryStore), shared: options.shared ?? false }
  let next: { readonly read: "due" | "all"; readonly act: Act } | undefined
  const meanwhile = (read: "due" | "all") => (leases: ReadonlyArray<Lease>) =>
    Effect.suspend(() => {
      if (next?.read !== read || leases.length === 0) return Effect.void
      const { act } = next
      next = undefined
      return Effect.forEach(leases, act, { discard: true })
    })
  let renewing = true
  const contended: Store = {
    ...store,
    claimDue: (host, options) => Effect.tap(store.claimDue(host, options), meanwhile("due")),
    list: (host) => Effect.tap(store.list(host), meanwhile("all")),
    renew: (key, token) =>
      renewing
        ? store.renew(key, token)
        : Effect.fail(new LeaseStoreFailed({ operation: "renew", reason: "it is read-only" })),
  }
  const log: Array<string> = []
  const logger = Logger.make(({ message }) => {
    const [text, about] = [message].flat()
    log.push(`${text} ${JSON.stringify(about)}`)
  })
  const events = yield* PubSub.unbounded<SandboxEvent>()
  const { session, leases } = yield* startProcess(
    { ...driver, events: Stream.fromPubSub(events), ...options.change?.(driver) },
    contended,
    { maxSandboxes: 100 },
  ).pipe(Effect.provide(Logger.layer([logger])))
  yield* settle
  const { hostId } = yield* driver.capabilities
  return {
    driver,
    store,
    session,
    use: leases.use,
    reap: Effect.provide(leases.reap, Logger.layer([logger])),
    /** What another process does once the reaper has read the leases that are due, or all. */
    afterReading: (read: "due" | "all", act: Act) =>
      Effect.sync(() => {
        next = { read, act }
      }),
    wasOvertaken: () => next === undefined,
    stopRenewing: Effect.sync(() => {
      renewing = false
    }),
    tell: (event: SandboxEvent) => Effect.andThen(PubSub.publish(events, event), settle),
    list: store.list(hostId),
    lease: Effect.map(store.list(hostId), only),
    status: Effect.map(driver.list(), (all) => all.map(({ status }) => status).join()),
    /** What was logged with some text, in short. */
    logged: (text: string) => log.filter((line) => line.startsWith(text)),
    log,
  }
})

const refused = new EngineError({
  operation: "act",
  reason: { _tag: "Failed" },
  status: 500,
  detail: "refused",
})

describe("a reaper that was overtaken", () => {
  it.effect("does not stop a sandbox early that was used meanwhile", () =>
    Effect.gen(function* () {
      const { session, store, afterReading, wasOvertaken, lease, status, logged } = yield* begin()
      const { id } = yield* session.create()
      yield* afterReading("due", (due) => store.renew(due, due.token))
      yield* pass(19)
      assert.isTrue(wasOvertaken())
      assert.strictEqual(yield* status, "running")
      assert.strictEqual((yield* lease).phase, "active")
      assert.deepStrictEqual(logged("Stopping"), [])
      yield* pass(2)
      assert.strictEqual(yield* status, "stopped")
      assert.strictEqual(logged("Stopping an idle sandbox").length, 1)
      assert.include(logged("Stopping an idle sandbox")[0], id)
    }),
  )

  it.effect("does not remove a sandbox early that was started meanwhile", () =>
    Effect.gen(function* () {
      const { driver, session, store, afterReading, list, status, logged } = yield* begin()
      const { id } = yield* session.create()
      yield* pass(11)
      yield* afterReading("due", (due) =>
        Effect.andThen(
          Effect.orDie(driver.start(due.id)),
          store.change(due, due.token, { phase: "active", used: true, claim: 0 }),
        ),
      )
      yield* pass(18)
      assert.strictEqual(yield* status, "running")
      assert.deepStrictEqual(logged("Removing"), [])
      yield* pass(13)
      assert.strictEqual(yield* status, "")
      assert.deepStrictEqual(yield* list, [])
      assert.strictEqual(logged("Removing an abandoned sandbox").length, 1)
      assert.include(logged("Removing")[0], id)
    }),
  )

  it.effect("leaves a removal to the process that began it, and finishes an abandoned one", () =>
    Effect.gen(function* () {
      const { session, store, afterReading, list, status, logged } = yield* begin()
      const { id } = yield* session.create()
      yield* pass(11)
      yield* afterReading("due", (due) =>
        store.change(due, due.token, { phase: "removing", claim: 60_000 }),
      )
      yield* pass(9.5)
      assert.strictEqual(yield* status, "stopped")
      yield* pass(1)
      assert.strictEqual(yield* status, "")
      assert.deepStrictEqual(yield* list, [])
      assert.include(logged("Finishing a removal that was interrupted")[0], id)
    }),
  )

  for (const shared of [false, true]) {
    const where = shared ? "a store that all share" : "a store of its own"
    it.effect(
      `leaves leases alone that another process changed, and continues with the rest, in ${where}`,
      () =>
        Effect.gen(function* () {
          const process = yield* begin({ shared })
          const { driver, session, store, afterReading, wasOvertaken, lease, list, reap } = process
          const { status, log } = process
          const { id, info } = yield* session.create({ name: "a" })
          /** A pass that comes too late changes nothing and says nothing; the next one does both. */
          const overtaken = Effect.fnUntraced(function* (said: string) {
            log.splice(0)
            yield* afterReading("all", (read) => store.change(read, read.token, {}))
            const { phase, instanceId } = yield* lease
            yield* reap
            assert.isTrue(wasOvertaken())
            assert.deepInclude(yield* lease, { phase, instanceId })
            assert.deepStrictEqual(log, [])
            yield* reap
            assert.strictEqual(log.length, 1)
            assert.include(log[0], said)
            assert.include(log[0], id)
          })
          yield* driver.stop(id)
          yield* overtaken("A sandbox was stopped from outside")
          assert.strictEqual((yield* lease).phase, "idle")

          yield* pass(5)
          yield* driver.start(id)
          yield* overtaken(
            shared ? "Finishing a stop that was interrupted" : "A sandbox was started from outside",
          )
          assert.strictEqual(yield* status, shared ? "stopped" : "running")
          assert.strictEqual((yield* lease).unusedFor, shared ? 300_000 : 0)

          const { limits, network, lease: terms, name, image, runtime } = info
          yield* driver.remove(id)
          const spec = { name, image, runtime, limits, network, lease: terms, env: {} }
          const made = yield* driver.create({ id, session: info.session, spec })
          yield* overtaken("A sandbox was created again without its lease")
          assert.strictEqual((yield* lease).instanceId, made.instanceId)

          yield* driver.remove(id)
          yield* overtaken("Forgot the lease of a sandbox that is gone")
          assert.deepStrictEqual(yield* list, [])
        }),
    )
  }

  it.effect("forgets a sandbox that was removed meanwhile, and stops the others when due", () =>
    Effect.gen(function* () {
      const { driver, session, afterReading, lease, logged } = yield* begin()
      const gone = yield* session.create()
      yield* pass(5)
      const other = yield* session.create()
      yield* afterReading("due", ({ id }) => Effect.orDie(driver.remove(id)))
      yield* pass(6)
      assert.strictEqual((yield* lease).id, other.id)
      assert.strictEqual(logged("Forgot").length, 1)
      assert.include(logged("Forgot the lease of a sandbox that is gone")[0], gone.id)
      yield* pass(5)
      assert.strictEqual((yield* driver.inspect(other.id)).status, "stopped")
      assert.deepStrictEqual(logged("Could not settle a lease"), [])
    }),
  )

  it.effect("logs which interrupted creation's sandbox it removes", () =>
    Effect.gen(function* () {
      const { session, store, lease, list, logged } = yield* begin()
      const { id } = yield* session.create()
      const held = yield* lease
      const terms = { idleTimeout: 60_000, removeTimeout: 60_000 }
      yield* store.change(held, held.token, { phase: "creating", terms })
      yield* pass(2)
      assert.deepStrictEqual(yield* list, [])
      assert.include(logged("Removing the remains of an interrupted creation")[0], id)
    }),
  )

  it.effect("logs which sandbox without a lease it found", () =>
    Effect.gen(function* () {
      const { session, store, lease, reap, log } = yield* begin()
      const { id } = yield* session.create()
      const lost = yield* lease
      yield* store.delete(lost, lost.token)
      yield* reap
      assert.strictEqual(log.length, 1)
      assert.include(log[0], "Found a sandbox without a lease")
      assert.include(log[0], id)
    }),
  )
})

describe("a sandbox in use", () => {
  it.effect("is not stopped by its own process, even when no renewal succeeds", () =>
    Effect.gen(function* () {
      const { session, use, stopRenewing, status } = yield* begin()
      const used = yield* session.create({ name: "used" })
      yield* session.create({ name: "unused" })
      const done = yield* Deferred.make<string>()
      const fiber = yield* Effect.forkChild(use(used.info)(Deferred.await(done)))
      yield* settle
      yield* stopRenewing
      yield* pass(25)
      assert.strictEqual(yield* status, "running")
      yield* Deferred.succeed(done, "result")
      assert.strictEqual(yield* Fiber.join(fiber), "result")
    }),
  )

  it.effect("whose lease was taken is stopped when due, even if its use has not noticed", () =>
    Effect.gen(function* () {
      const { session, store, use, stopRenewing, lease, status } = yield* begin()
      const { info } = yield* session.create()
      const fiber = yield* Effect.forkChild(use(info)(Effect.never))
      yield* settle
      yield* stopRenewing
      const held = yield* lease
      yield* store.change(held, held.token, { used: true })
      yield* pass(11)
      assert.strictEqual(yield* status, "stopped")
      yield* Fiber.interrupt(fiber)
    }),
  )

  it.effect("is stopped when due after its use has ended", () =>
    Effect.gen(function* () {
      const { session, use, stopRenewing, status } = yield* begin()
      const { info } = yield* session.create()
      yield* use(info)(Effect.void)
      yield* stopRenewing
      yield* pass(11)
      assert.strictEqual(yield* status, "stopped")
    }),
  )
})

describe("after the host refused a call of the reaper", () => {
  it.effect("a removal has begun, and is finished as soon as the host allows", () =>
    Effect.gen(function* () {
      let refusing = true
      const { driver, session, tell, lease, list, status, logged } = yield* begin({
        change: (real) => ({
          remove: (id, instance) => (refusing ? Effect.fail(refused) : real.remove(id, instance)),
        }),
      })
      const { id, run, remove } = yield* session.create()
      yield* pass(21)
      assert.deepInclude(yield* lease, { phase: "removing", claimedFor: 0 })
      assert.include(logged("Could not settle a lease")[0], id)
      assert.include(logged("Could not settle a lease")[0], "refused")
      // Nothing that happens to its container calls it off.
      yield* driver.start(id)
      for (const event of ["Started", "Stopped"] as const) {
        yield* tell(SandboxEvent[event]({ id }))
        yield* pass(1)
        assert.strictEqual((yield* lease).phase, "removing")
      }
      assert.strictEqual((yield* Effect.flip(run("true")))._tag, "SandboxNotFound")
      assert.strictEqual((yield* Effect.flip(remove))._tag, "EngineError")
      refusing = false
      yield* pass(0.25)
      assert.strictEqual(yield* status, "")
      assert.deepStrictEqual(yield* list, [])
    }),
  )

  it.effect("a stop in a shared store is retried by the next pass", () =>
    Effect.gen(function* () {
      let refusing = true
      const { session, lease, status } = yield* begin({
        shared: true,
        change: (real) => ({ stop: (id) => (refusing ? Effect.fail(refused) : real.stop(id)) }),
      })
      yield* session.create()
      yield* pass(11)
      assert.deepInclude(yield* lease, { phase: "idle", claimedFor: 0 })
      refusing = false
      yield* pass(0.25)
      assert.strictEqual(yield* status, "stopped")
    }),
  )
})

describe("a stop that was interrupted", () => {
  it.effect("and is still in progress delays a use, which then starts the sandbox", () =>
    Effect.gen(function* () {
      const go = yield* Deferred.make<void>()
      const calls: Array<string> = []
      const { session, store, lease, status } = yield* begin({
        shared: true,
        change: (real) => ({
          stop: (id) => {
            calls.push("stop")
            return Effect.andThen(Deferred.await(go), real.stop(id))
          },
          start: (id) => {
            calls.push("start")
            return real.start(id)
          },
        }),
      })
      const sandbox = yield* session.create()
      const held = yield* lease
      yield* store.change(held, held.token, { phase: "idle" })
      yield* pass(0.25)
      const use = yield* Effect.forkChild(sandbox.run("true"))
      yield* settle
      assert.deepStrictEqual(calls, ["stop"])
      yield* Deferred.succeed(go, undefined)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(use)
      assert.deepStrictEqual(calls, ["stop", "start"])
      assert.strictEqual(yield* status, "running")
    }),
  )
})

describe("a late event", () => {
  it.effect("about the stop of a sandbox that is idle by now does not count as a use", () =>
    Effect.gen(function* () {
      const { session, tell, lease } = yield* begin()
      const { id } = yield* session.create()
      yield* pass(11)
      const { token, unusedFor } = yield* lease
      yield* tell(SandboxEvent.Stopped({ id }))
      assert.deepInclude(yield* lease, { phase: "idle", token, unusedFor })
    }),
  )
})

describe("a pass of the reaper", () => {
  it.effect("stops all sandboxes that are due, however many", () =>
    Effect.gen(function* () {
      const { session, store, list, status, reap } = yield* begin()
      yield* Effect.forEach(Array.from({ length: 40 }), () => session.create())
      yield* pass(1)
      const terms = { idleTimeout: 1000, removeTimeout: 600_000 }
      yield* Effect.forEach(yield* list, (lease) => store.change(lease, lease.token, { terms }))
      yield* reap
      assert.notInclude(yield* status, "running")
    }),
  )

  it.effect("logs the leftovers of a crash that it removed", () =>
    Effect.gen(function* () {
      const left = ["cordon-network"]
      const { logged } = yield* begin({
        change: () => ({ sweep: () => Effect.sync(() => left.splice(0)) }),
      })
      assert.include(logged("Removed what a crash left")[0], "cordon-network")
    }),
  )
})
