import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import { EngineError, type SettingsInput } from "../src/index.ts"
import {
  type Driver,
  makeDriver,
  memoryStore,
  only,
  pass,
  type Store,
  settle,
  silent,
  startProcess,
} from "./leaseStage.ts"

type Overtaken = "change" | "renew" | "get"

/** A process over a host that refuses what it is told to, and a store that others use as well. */
const begin = Effect.fnUntraced(function* (
  settings?: SettingsInput,
  creating: (create: Driver["create"]) => Driver["create"] = (create) => create,
) {
  const driver = yield* makeDriver
  const store = yield* memoryStore
  const calls: Array<string> = []
  const refused = new Set<string>()
  let paused = false
  const called = <A, E>(call: string, effect: Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | EngineError> => {
      calls.push(call)
      return refused.has(call)
        ? Effect.fail(
            new EngineError({
              operation: call,
              reason: { _tag: "Failed" },
              status: 500,
              detail: "refused",
            }),
          )
        : effect
    })
  const host: Driver = silent({
    ...driver,
    create: creating(driver.create),
    start: (id) => called("start", driver.start(id)),
    stop: (id) => called("stop", driver.stop(id)),
    remove: (id, instance) => called("remove", driver.remove(id, instance)),
    inspect: (id) =>
      called(
        "inspect",
        Effect.map(driver.inspect(id), (info) =>
          paused ? { ...info, status: "paused" as const } : info,
        ),
      ),
  })
  let overtaken: ReadonlyArray<Overtaken> = []
  /** Whether another process is to be faster this time. */
  const isOvertaken = (operation: Overtaken) => {
    const at = overtaken.indexOf(operation)
    if (at >= 0) overtaken = overtaken.toSpliced(at, 1)
    return at >= 0
  }
  const contended: Store = {
    ...store,
    get: (key) => (isOvertaken("get") ? Effect.succeedNone : store.get(key)),
    renew: (key, token) =>
      isOvertaken("renew")
        ? Effect.as(store.change(key, token, {}), false)
        : store.renew(key, token),
    change: (key, token, change) =>
      isOvertaken("change")
        ? Effect.as(store.change(key, token, {}), Option.none())
        : store.change(key, token, change),
  }
  const { session, leases } = yield* startProcess(host, contended, settings)
  // The reaper's first pass.
  yield* settle
  const { hostId } = yield* driver.capabilities
  return {
    driver,
    store,
    session,
    leases,
    calls,
    pause: () => {
      paused = true
    },
    refuse: (...calls: ReadonlyArray<string>) =>
      Effect.sync(() => {
        refused.clear()
        for (const call of calls) refused.add(call)
      }),
    overtake: (...operations: ReadonlyArray<Overtaken>) =>
      Effect.sync(() => {
        overtaken = operations
      }),
    list: store.list(hostId),
    lease: Effect.map(store.list(hostId), only),
  }
})

/** What becomes of a call without any time passing. */
const atOnce = <A, E extends { readonly _tag: string }, R>(call: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(
      Effect.match(call, { onSuccess: () => "done", onFailure: ({ _tag }) => _tag }),
    )
    yield* settle
    const exit = fiber.pollUnsafe()
    if (exit === undefined) yield* Fiber.interrupt(fiber)
    return exit === undefined ? "waits" : yield* exit
  })

describe("after the host refused a call", () => {
  it.effect("a sandbox that it did not stop can be used at once", () =>
    Effect.gen(function* () {
      const { session, refuse, lease } = yield* begin()
      const sandbox = yield* session.create()
      yield* refuse("stop")
      assert.strictEqual(yield* atOnce(sandbox.stop), "EngineError")
      assert.deepInclude(yield* lease, { phase: "active", claimedFor: 0 })
      assert.strictEqual(yield* atOnce(sandbox.run("true")), "done")
    }),
  )

  it.effect("a sandbox that it did not start stays stopped, and can be started at once", () =>
    Effect.gen(function* () {
      const { session, refuse, lease } = yield* begin()
      const sandbox = yield* session.create()
      yield* sandbox.stop
      yield* refuse("start")
      assert.strictEqual(yield* atOnce(sandbox.start), "EngineError")
      assert.deepInclude(yield* lease, { phase: "stopped", claimedFor: 0 })
      assert.strictEqual(yield* atOnce(sandbox.run("true")), "SandboxNotRunning")
      yield* refuse()
      assert.strictEqual(yield* atOnce(sandbox.start), "done")
      assert.strictEqual(yield* atOnce(sandbox.run("true")), "done")
    }),
  )

  it.effect("a sandbox that it did not remove can be removed at once, and nothing is left", () =>
    Effect.gen(function* () {
      const { session, refuse, driver, list } = yield* begin()
      const sandbox = yield* session.create()
      yield* refuse("remove")
      assert.strictEqual(yield* atOnce(sandbox.remove), "EngineError")
      yield* refuse()
      assert.strictEqual(yield* atOnce(sandbox.remove), "done")
      assert.deepStrictEqual(yield* driver.list(), [])
      assert.deepStrictEqual(yield* list, [])
    }),
  )

  it.effect("an idle sandbox that it did not start is started by the next use", () =>
    Effect.gen(function* () {
      const { session, refuse, driver, calls } = yield* begin()
      const sandbox = yield* session.create()
      yield* pass(11)
      yield* refuse("start")
      assert.strictEqual(yield* atOnce(sandbox.run("true")), "EngineError")
      yield* refuse()
      assert.strictEqual(yield* atOnce(sandbox.run("true")), "done")
      assert.strictEqual((yield* driver.inspect(sandbox.id)).status, "running")
      assert.strictEqual(calls.filter((call) => call === "start").length, 2)
      // It has its time from then on.
      yield* pass(9)
      assert.strictEqual((yield* driver.inspect(sandbox.id)).status, "running")
    }),
  )
})

describe("a sandbox without a lease", () => {
  it.effect("gets one by its next use", () =>
    Effect.gen(function* () {
      const { session, store, lease } = yield* begin()
      const sandbox = yield* session.create()
      const lost = yield* lease
      yield* store.delete(lost, lost.token)
      assert.strictEqual(yield* atOnce(sandbox.run("true")), "done")
      assert.deepInclude(yield* lease, { phase: "active", instanceId: sandbox.info.instanceId })
    }),
  )

  it.effect("that the host does not have is not found", () =>
    Effect.gen(function* () {
      const { session, store, driver, lease, list } = yield* begin()
      const sandbox = yield* session.create()
      const lost = yield* lease
      yield* store.delete(lost, lost.token)
      yield* driver.remove(sandbox.id)
      assert.strictEqual(yield* atOnce(sandbox.run("true")), "SandboxNotFound")
      assert.strictEqual(yield* atOnce(sandbox.remove), "SandboxNotFound")
      assert.deepStrictEqual(yield* list, [])
    }),
  )

  it.effect("counts in the quotas, whichever process made it", () =>
    Effect.gen(function* () {
      const { session, store, lease } = yield* begin({ maxSandboxes: 1 })
      yield* session.create({ name: "a" })
      const lost = yield* lease
      yield* store.delete(lost, lost.token)
      assert.strictEqual(yield* atOnce(session.create({ name: "b" })), "QuotaExceeded")
    }),
  )
})

describe("while another process claims the lease", () => {
  it.effect("a use that has to start the sandbox waits for the claim", () =>
    Effect.gen(function* () {
      const { session, store, lease, calls } = yield* begin()
      const sandbox = yield* session.create()
      const held = yield* lease
      yield* store.change(held, held.token, { phase: "idle", claim: 20_000 })
      const use = yield* Effect.forkChild(sandbox.run("true"))
      yield* TestClock.adjust("19 seconds")
      assert.notInclude(calls, "start")
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(use)
      assert.include(calls, "start")
    }),
  )

  it.effect("an active sandbox can be used and removed all the same", () =>
    Effect.gen(function* () {
      const { session, store, lease, list } = yield* begin()
      const sandbox = yield* session.create()
      const held = yield* lease
      yield* store.change(held, held.token, { claim: 20_000 })
      assert.strictEqual(yield* atOnce(sandbox.run("true")), "done")
      assert.strictEqual(yield* atOnce(sandbox.remove), "done")
      assert.deepStrictEqual(yield* list, [])
    }),
  )

  it.effect("a sandbox that is being removed is removed once, however many ask for it", () =>
    Effect.gen(function* () {
      const { session, store, lease, list, calls } = yield* begin()
      const sandbox = yield* session.create()
      const held = yield* lease
      const removing = yield* store.change(held, held.token, { phase: "removing", claim: 20_000 })
      assert(Option.isSome(removing))
      const removal = yield* Effect.forkChild(sandbox.remove)
      yield* TestClock.adjust("10 seconds")
      assert.notInclude(calls, "remove")
      // Whoever was at it is done.
      yield* store.delete(removing.value, removing.value.token)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(removal)
      assert.notInclude(calls, "remove")
      assert.deepStrictEqual(yield* list, [])
    }),
  )

  it.effect("a removal that does not end is done by the caller that waits for it", () =>
    Effect.gen(function* () {
      const { session, store, lease, list, driver } = yield* begin()
      const sandbox = yield* session.create()
      const held = yield* lease
      yield* store.change(held, held.token, { phase: "removing", claim: 9_000 })
      const removal = yield* Effect.forkChild(sandbox.remove)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(removal)
      assert.deepStrictEqual(yield* driver.list(), [])
      assert.deepStrictEqual(yield* list, [])
    }),
  )

  it.effect("a removal that waited keeps a sandbox that was made again meanwhile", () =>
    Effect.gen(function* () {
      const { session, store, lease, calls } = yield* begin()
      const sandbox = yield* session.create()
      const held = yield* lease
      const removing = yield* store.change(held, held.token, { phase: "removing", claim: 20_000 })
      assert(Option.isSome(removing))
      const removal = yield* Effect.forkChild(sandbox.remove)
      yield* settle
      yield* store.change(held, removing.value.token, { phase: "active", instanceId: "another" })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(removal)
      assert.notInclude(calls, "remove")
      assert.deepInclude(yield* lease, { phase: "active", instanceId: "another" })
    }),
  )

  it.effect("a creation waits while the sandbox with its name is being removed", () =>
    Effect.gen(function* () {
      const { session, store, lease, calls } = yield* begin()
      yield* session.create({ name: "a" })
      const held = yield* lease
      yield* store.change(held, held.token, { phase: "removing", claim: 9_000 })
      const creation = yield* Effect.forkChild(session.create({ name: "a" }))
      yield* TestClock.adjust("8 seconds")
      assert.notInclude(calls, "remove")
      yield* TestClock.adjust("2 seconds")
      const made = yield* Fiber.join(creation)
      assert.deepInclude(yield* lease, { phase: "active", instanceId: made.info.instanceId })
    }),
  )
})

describe("when a lease changes between reading and acting", () => {
  it.effect("start, stop and remove read the lease again", () =>
    Effect.gen(function* () {
      const { session, overtake, driver, list } = yield* begin()
      const sandbox = yield* session.create()
      const status = Effect.map(driver.inspect(sandbox.id), (info) => info.status)
      yield* overtake("change")
      assert.strictEqual(yield* atOnce(sandbox.stop), "done")
      assert.strictEqual(yield* status, "stopped")
      yield* overtake("change")
      assert.strictEqual(yield* atOnce(sandbox.start), "done")
      assert.strictEqual(yield* status, "running")
      yield* overtake("change")
      assert.strictEqual(yield* atOnce(sandbox.remove), "done")
      assert.deepStrictEqual(yield* driver.list(), [])
      assert.deepStrictEqual(yield* list, [])
    }),
  )

  it.effect("a use of a running or an idle sandbox reads the lease again", () =>
    Effect.gen(function* () {
      const { session, overtake } = yield* begin()
      const sandbox = yield* session.create()
      yield* overtake("renew")
      assert.strictEqual(yield* atOnce(sandbox.run("true")), "done")
      yield* overtake("renew", "renew")
      assert.strictEqual(yield* atOnce(sandbox.run("true")), "done")
      yield* pass(11)
      yield* overtake("change")
      assert.strictEqual(yield* atOnce(sandbox.run("true")), "done")
    }),
  )

  it.effect("a use that was overtaken holds the lease by its new token", () =>
    Effect.gen(function* () {
      const { session, leases, overtake } = yield* begin()
      const sandbox = yield* session.create()
      yield* overtake("renew", "renew", "renew")
      const use = yield* Effect.forkChild(leases.use(sandbox.info)(Effect.sleep("1 hour")))
      yield* pass(61)
      yield* Fiber.join(use)
    }),
  )

  it.effect("a use takes over the lease that another process began first", () =>
    Effect.gen(function* () {
      const { session, overtake } = yield* begin()
      const sandbox = yield* session.create()
      yield* overtake("renew", "get")
      assert.strictEqual(yield* atOnce(sandbox.run("true")), "done")
    }),
  )

  it.effect("a creation leaves a lease under its name to the process that removes it", () =>
    Effect.gen(function* () {
      const { session, store, overtake, lease } = yield* begin()
      yield* session.create({ name: "a" })
      const held = yield* lease
      yield* store.change(held, held.token, { phase: "removing" })
      yield* overtake("change")
      assert.strictEqual(yield* atOnce(session.create({ name: "a" })), "done")
      assert.strictEqual((yield* lease).phase, "active")
    }),
  )

  it.effect("a creation that was overtaken loses its sandbox", () =>
    Effect.gen(function* () {
      const { session, overtake, driver } = yield* begin()
      yield* overtake("change")
      assert.strictEqual(yield* atOnce(session.create()), "LeaseLost")
      assert.deepStrictEqual(yield* driver.list(), [])
    }),
  )
})

describe("a creation is refused because of", () => {
  it.effect("a sandbox with its name, which keeps its lease", () =>
    Effect.gen(function* () {
      const { session, overtake, lease } = yield* begin()
      yield* session.create({ name: "a" })
      const held = yield* lease
      assert.strictEqual(yield* atOnce(session.create({ name: "a" })), "SandboxNameTaken")
      // Also where its lease seemed to be gone for a moment.
      yield* overtake("get")
      assert.strictEqual(yield* atOnce(session.create({ name: "a" })), "SandboxNameTaken")
      assert.deepStrictEqual(yield* lease, held)
    }),
  )

  it.effect("another creation with its name that has made nothing yet", () =>
    Effect.gen(function* () {
      const { session, lease } = yield* begin({}, () => () => Effect.never)
      yield* Effect.forkScoped(session.create({ name: "a" }))
      yield* settle
      const held = yield* lease
      assert.strictEqual(yield* atOnce(session.create({ name: "a" })), "SandboxNameTaken")
      assert.deepStrictEqual(yield* lease, held)
    }),
  )

  it.effect("another creation with its name, whose sandbox is not usable yet", () =>
    Effect.gen(function* () {
      const { session, store, lease } = yield* begin()
      const sandbox = yield* session.create({ name: "a" })
      const held = yield* lease
      yield* store.change(held, held.token, { phase: "creating" })
      assert.strictEqual(yield* atOnce(session.create({ name: "a" })), "SandboxNameTaken")
      assert.strictEqual(yield* atOnce(sandbox.run("true")), "SandboxNotRunning")
    }),
  )

  it.effect("a lease with its name when the host can't say whether the sandbox exists", () =>
    Effect.gen(function* () {
      const { session, refuse, lease } = yield* begin()
      yield* session.create({ name: "a" })
      yield* refuse("inspect")
      assert.strictEqual(yield* atOnce(session.create({ name: "a" })), "EngineError")
      assert.strictEqual((yield* lease).phase, "active")
    }),
  )
})

describe("a creation", () => {
  it.effect("keeps its lease however long it takes, and timeouts start when it is done", () =>
    Effect.gen(function* () {
      const go = yield* Deferred.make<void>()
      const { session, lease, driver } = yield* begin(
        {},
        (create) => (request) => Effect.andThen(Deferred.await(go), create(request)),
      )
      const creation = yield* Effect.forkChild(session.create())
      yield* pass(45)
      assert.strictEqual((yield* lease).phase, "creating")
      yield* Deferred.succeed(go, undefined)
      const { info } = yield* Fiber.join(creation)
      const { idleTimeout, removeTimeout } = info.lease
      assert.deepInclude(yield* lease, {
        phase: "active",
        instanceId: info.instanceId,
        unusedFor: 0,
        idleTimeout,
        removeTimeout,
      })
      assert.strictEqual((yield* driver.inspect(info.id)).status, "running")
    }),
  )

  it.effect("fails at once with LeaseLost when its lease is taken", () =>
    Effect.gen(function* () {
      const { session, store, lease } = yield* begin({}, () => () => Effect.never)
      const creation = yield* Effect.forkChild(Effect.flip(session.create()))
      yield* pass(1)
      const held = yield* lease
      yield* store.delete(held, held.token)
      yield* pass(1)
      assert.strictEqual((yield* Fiber.join(creation))._tag, "LeaseLost")
    }),
  )

  it.effect("names the quota that it exceeds", () =>
    Effect.gen(function* () {
      const limits = { memory: 2 ** 30, cpus: 1, pids: 100 }
      const { session } = yield* begin({ hostQuota: { cpus: 1 } })
      yield* session.create({ limits })
      const error = yield* Effect.flip(session.create({ limits }))
      assert(error._tag === "QuotaExceeded")
      assert.deepInclude(error, { resource: "CPU cores for sandboxes of a host", limit: 1 })
    }),
  )
})

describe("a sandbox in use", () => {
  it.effect("that was made again is lost to holders of the old one", () =>
    Effect.gen(function* () {
      const { session } = yield* begin()
      const old = yield* session.create({ name: "a" })
      yield* old.remove
      const made = yield* session.create({ name: "a" })
      assert.strictEqual(yield* atOnce(old.run("true")), "LeaseLost")
      assert.strictEqual(yield* atOnce(old.remove), "SandboxNotFound")
      assert.strictEqual(yield* atOnce(made.run("true")), "done")
    }),
  )

  it.effect("is not started when the host says that it is paused", () =>
    Effect.gen(function* () {
      const { session, overtake, calls, pause } = yield* begin()
      const sandbox = yield* session.create()
      pause()
      yield* overtake("renew")
      yield* atOnce(sandbox.run("true"))
      assert.notInclude(calls, "start")
    }),
  )

  it.effect("that runs costs the host no call except the command", () =>
    Effect.gen(function* () {
      const { session, calls } = yield* begin()
      const sandbox = yield* session.create()
      yield* sandbox.run("true")
      calls.splice(0)
      yield* sandbox.run("true")
      yield* Effect.flip(sandbox.files.readText("none"))
      yield* sandbox.run("true")
      assert.deepStrictEqual(calls, [])
    }),
  )
})
