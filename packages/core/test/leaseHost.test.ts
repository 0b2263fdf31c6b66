import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { EngineUnreachable, type SettingsInput } from "../src/index.ts"
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

/** A process over a host that tells of nothing, and a store that can be away from it. */
const begin = Effect.fnUntraced(function* (
  settings?: SettingsInput,
  change?: (driver: Driver) => Partial<Driver>,
) {
  const driver = yield* makeDriver
  const store = yield* memoryStore
  const remote = makeRemote(store)
  const { session, leases } = yield* startProcess(
    silent({ ...driver, ...change?.(driver) }),
    remote.store,
    settings,
  )
  yield* settle
  const list = store.list((yield* driver.capabilities).hostId)
  return {
    driver,
    store,
    session,
    setAway: remote.setAway,
    reap: leases.reap,
    list,
    lease: Effect.map(list, only),
  }
})

describe("an outage of the lease store", () => {
  for (const [idleTimeout, age] of [
    ["3 seconds", 1_000],
    ["1 minute", 20_000],
    ["10 minutes", 30_000],
  ] as const) {
    it.effect(`ages a lease of ${idleTimeout} by ${age} ms, however long the outage`, () =>
      Effect.gen(function* () {
        const { session, setAway, lease } = yield* begin({ idleTimeout })
        yield* session.create()
        yield* setAway(true)
        yield* pass(3)
        assert.strictEqual((yield* lease).unusedFor, age)
      }),
    )
  }
})

describe("a stop, start or removal that hangs", () => {
  const hangs = { stop: () => Effect.never, start: () => Effect.never, remove: () => Effect.never }

  for (const [idleTimeout, claim] of [
    ["3 seconds", 5_000],
    ["10 seconds", 10_000],
    ["10 minutes", 30_000],
  ] as const) {
    it.effect(`with a lease of ${idleTimeout} can be taken over after ${claim} ms`, () =>
      Effect.gen(function* () {
        for (const act of ["stop", "start", "remove"] as const) {
          const { session, lease } = yield* begin({ idleTimeout }, () => hangs)
          const sandbox = yield* session.create()
          yield* Effect.forkScoped(sandbox[act])
          yield* settle
          assert.strictEqual((yield* lease).claimedFor, claim, act)
        }
      }),
    )
  }

  it.effect("can be taken over after the same time when a use or a creation waits for it", () =>
    Effect.gen(function* () {
      const { session, store, lease } = yield* begin({}, () => hangs)
      const sandbox = yield* session.create({ name: "a" })
      for (const [phase, call] of [
        ["idle", sandbox.run("true")],
        ["removing", session.create({ name: "a" })],
      ] as const) {
        const held = yield* lease
        yield* store.change(held, held.token, { phase, claim: 0 })
        const waiting = yield* Effect.forkChild(call)
        yield* settle
        assert.strictEqual((yield* lease).claimedFor, 30_000, phase)
        yield* Fiber.interrupt(waiting)
      }
    }),
  )
})

describe("a sandbox that has lost its lease", () => {
  it.effect("counts with its limit of disk space in the quota", () =>
    Effect.gen(function* () {
      const limits = { memory: 2 ** 30, cpus: 1, pids: 100, disk: 2 ** 30 }
      const { session, store, lease, reap } = yield* begin({ hostQuota: { disk: 1.5 * 2 ** 30 } })
      yield* session.create({ limits })
      const lost = yield* lease
      yield* store.delete(lost, lost.token)
      yield* reap
      assert.strictEqual((yield* lease).disk, limits.disk)
      assert.strictEqual((yield* Effect.flip(session.create({ limits })))._tag, "QuotaExceeded")
    }),
  )

  it.effect("gets an idle lease if it is stopped, and an active one if it runs", () =>
    Effect.gen(function* () {
      for (const phase of ["idle", "active"] as const) {
        const { driver, session, store, lease, reap } = yield* begin()
        const { id } = yield* session.create()
        const lost = yield* lease
        yield* store.delete(lost, lost.token)
        if (phase === "idle") yield* driver.stop(id)
        yield* reap
        assert.strictEqual((yield* lease).phase, phase)
      }
    }),
  )
})

describe("a sandbox that was made again without its lease", () => {
  const beginAnew = Effect.gen(function* () {
    const begun = yield* begin()
    const { driver, session, lease } = begun
    const sandbox = yield* session.create()
    const { info } = sandbox
    const { limits, network, name, image, runtime } = info
    const spec = { name, image, runtime, limits, network, lease: info.lease, env: {} }
    yield* driver.remove(info.id)
    const made = yield* driver.create({ id: info.id, session: info.session, spec })
    return { ...begun, sandbox, made, held: yield* lease }
  })

  it.effect("is kept by the reaper that finishes the removal of the old one", () =>
    Effect.gen(function* () {
      const { driver, store, lease, reap, made, held } = yield* beginAnew
      yield* store.change(held, held.token, { phase: "removing" })
      yield* reap
      yield* reap
      assert.deepStrictEqual(
        (yield* driver.list()).map(({ instanceId }) => instanceId),
        [made.instanceId],
      )
      assert.deepInclude(yield* lease, { phase: "active", instanceId: made.instanceId })
    }),
  )

  it.effect("is not started by a use of the old one", () =>
    Effect.gen(function* () {
      const { driver, store, sandbox, held } = yield* beginAnew
      yield* driver.stop(sandbox.id)
      // What its process remembers of it no longer holds.
      yield* store.change(held, held.token, {})
      yield* Effect.flip(sandbox.run("true"))
      assert.strictEqual((yield* driver.inspect(sandbox.id)).status, "stopped")
    }),
  )
})

describe("a sandbox whose removal has begun", () => {
  it.effect("can't be used, and no request brings it back", () =>
    Effect.gen(function* () {
      const { session, store, lease } = yield* begin()
      const sandbox = yield* session.create()
      const held = yield* lease
      yield* store.change(held, held.token, { phase: "removing", claim: 20_000 })
      for (const call of [sandbox.run("true"), sandbox.start, sandbox.stop]) {
        assert.strictEqual((yield* Effect.flip(call))._tag, "SandboxNotFound")
      }
      assert.strictEqual((yield* lease).phase, "removing")
    }),
  )
})

describe("a creation whose process dies", () => {
  for (const [removeTimeout, seconds] of [
    ["30 seconds", 30],
    ["20 minutes", 60],
  ] as const) {
    it.effect(`leaves nothing after ${seconds} s with a remove timeout of ${removeTimeout}`, () =>
      Effect.gen(function* () {
        const settings = { idleTimeout: "10 seconds", removeTimeout } as const
        const { driver, store, session, setAway, list } = yield* begin(settings, (real) => ({
          create: (request) => Effect.andThen(real.create(request), Effect.never),
        }))
        yield* startProcess(silent(driver), store, settings)
        yield* Effect.forkScoped(session.create())
        yield* settle
        // It renews no more.
        yield* setAway(true)
        const until = Effect.fnUntraced(function* (seconds: number) {
          for (let second = 0; second < seconds; second++) {
            yield* TestClock.adjust("1 second")
            yield* settle
          }
        })
        yield* until(seconds - 2)
        assert.strictEqual((yield* driver.list()).length, 1)
        yield* until(4)
        assert.deepStrictEqual(yield* driver.list(), [])
        assert.deepStrictEqual(yield* list, [])
      }),
    )
  }
})

describe("an engine that is unreachable when a program starts", () => {
  it.effect("makes sandboxes as soon as it is reachable", () =>
    Effect.gen(function* () {
      let away = true
      const { session } = yield* begin({}, (real) => ({
        capabilities: Effect.suspend(() =>
          away
            ? Effect.fail(new EngineUnreachable({ endpoint: "here", reason: "it is away" }))
            : real.capabilities,
        ),
      }))
      assert.strictEqual((yield* Effect.flip(session.create()))._tag, "EngineUnreachable")
      away = false
      yield* session.create()
    }),
  )
})
