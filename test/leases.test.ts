import {
  EngineError,
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
import { Context, Effect, Fiber, Layer, Metric, Scope } from "effect"
import { TestClock } from "effect/testing"

type Driver = SandboxDriver["Service"]

/** One process of a program: leases of its own over a driver that others may share. */
const startProcess = Effect.fnUntraced(function* (driver: Driver, scope?: Scope.Scope) {
  const layer = Sandboxes.layerLeases.pipe(
    Layer.provideMerge(Leases.layer),
    Layer.provideMerge(leaseStoreMemory),
    Layer.provideMerge(Settings.layer({ removeOnClose: false })),
    Layer.provide(Layer.succeed(SandboxDriver, driver)),
  )
  const context = yield* Layer.buildWithScope(layer, scope ?? (yield* Effect.scope))
  const session = yield* Context.get(context, Sandboxes).session("s")
  const store = Context.get(context, LeaseStore)
  const { hostId } = yield* driver.capabilities
  return { session, leases: Context.get(context, Leases), store, list: store.list(hostId) }
})

const makeDriver = Effect.map(Layer.build(memory.layer()), (context) =>
  Context.get(context, SandboxDriver),
)

/** Lets time pass in steps, and what runs in the background act after each. */
const pass = Effect.fnUntraced(function* (minutes: number) {
  for (let step = 0; step < minutes * 4; step++) {
    yield* TestClock.adjust("15 seconds")
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  }
})

const statusOf = (session: SandboxSession) =>
  Effect.map(session.list, (list) => list.map((info) => info.status).join())

describe("Leases", () => {
  it.effect("stop a sandbox 10 minutes after its last use, and remove it after 20", () =>
    Effect.gen(function* () {
      const { session, list } = yield* startProcess(yield* makeDriver)
      const sandbox = yield* session.create({ name: "a" })
      yield* pass(9)
      yield* sandbox.run("true")
      yield* pass(9)
      assert.strictEqual(yield* statusOf(session), "running")
      yield* pass(2)
      assert.strictEqual(yield* statusOf(session), "stopped")
      yield* pass(8)
      assert.strictEqual(yield* statusOf(session), "stopped")
      yield* pass(2)
      assert.strictEqual(yield* statusOf(session), "")
      assert.strictEqual((yield* Effect.flip(sandbox.exec("true")))._tag, "SandboxNotFound")
      assert.strictEqual((yield* Effect.flip(session.get("a")))._tag, "SandboxNotFound")
      assert.deepStrictEqual(yield* list, [])
    }),
  )

  it.effect("start a sandbox that was idle on its next use, with its files", () =>
    Effect.gen(function* () {
      const { session } = yield* startProcess(yield* makeDriver)
      const sandbox = yield* session.create()
      yield* sandbox.files.write("kept", "yes")
      yield* pass(11)
      assert.strictEqual(yield* statusOf(session), "stopped")
      assert.strictEqual((yield* sandbox.run("cat kept")).stdout, "yes")
      assert.strictEqual(yield* statusOf(session), "running")
    }),
  )

  it.effect("leave a sandbox stopped when it was stopped on request", () =>
    Effect.gen(function* () {
      const { session } = yield* startProcess(yield* makeDriver)
      const sandbox = yield* session.create()
      yield* sandbox.stop
      assert.strictEqual((yield* Effect.flip(sandbox.exec("true")))._tag, "SandboxNotRunning")
      assert.strictEqual(
        (yield* Effect.flip(sandbox.files.readText("x")))._tag,
        "SandboxNotRunning",
      )
      yield* sandbox.start
      assert.strictEqual((yield* sandbox.exec("exit 3")).exitCode, 3)
    }),
  )

  it.effect("last as long as one use takes", () =>
    Effect.gen(function* () {
      const { session, leases } = yield* startProcess(yield* makeDriver)
      const sandbox = yield* session.create()
      const long = yield* Effect.forkChild(leases.use(sandbox.info)(Effect.sleep("2 hours")))
      yield* pass(115)
      assert.strictEqual(yield* statusOf(session), "running")
      yield* pass(6)
      yield* Fiber.join(long)
      yield* pass(11)
      assert.strictEqual(yield* statusOf(session), "stopped")
    }),
  )

  it.effect("end a use when its lease is taken away", () =>
    Effect.gen(function* () {
      const { session, leases, store, list } = yield* startProcess(yield* makeDriver)
      const sandbox = yield* session.create()
      const use = yield* Effect.forkChild(Effect.flip(leases.use(sandbox.info)(Effect.never)))
      yield* pass(1)
      const [lease] = yield* list
      assert.isDefined(lease)
      yield* store.change(lease, lease.token, { instanceId: "another" })
      yield* pass(4)
      assert.strictEqual((yield* Fiber.join(use))._tag, "LeaseLost")
      const losses = (yield* Metric.snapshot).find(({ id }) => id === "cordon.lease.losses")
      assert.deepInclude(losses?.state, { count: 1 })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())),
  )

  it.effect("find the orphans of a crashed process and remove them in time", () =>
    Effect.gen(function* () {
      const driver = yield* makeDriver
      const crashed = yield* Scope.make()
      const first = yield* startProcess(driver, crashed)
      yield* first.session.create({ name: "orphan" })
      yield* Scope.close(crashed, yield* Effect.exit(Effect.void))
      yield* pass(60)
      const second = yield* startProcess(driver)
      yield* pass(1)
      // It may be wanted again, so it has its time from now on.
      assert.strictEqual(yield* statusOf(second.session), "running")
      yield* pass(10)
      assert.strictEqual(yield* statusOf(second.session), "stopped")
      yield* pass(10)
      assert.strictEqual(yield* statusOf(second.session), "")
    }),
  )

  it.effect("let no process remove a sandbox that another one uses", () =>
    Effect.gen(function* () {
      const driver = yield* makeDriver
      const one = yield* startProcess(driver)
      yield* startProcess(driver)
      const sandbox = yield* one.session.create()
      for (let n = 0; n < 8; n++) {
        yield* pass(6)
        yield* sandbox.run("true")
        assert.strictEqual(yield* statusOf(one.session), "running")
      }
    }),
  )

  it.effect("retry a removal that the host refused", () =>
    Effect.gen(function* () {
      const real = yield* makeDriver
      let refusals = 0
      const driver: Driver = {
        ...real,
        remove: (id, instance) =>
          refusals++ < 3
            ? Effect.fail(
                new EngineError({
                  operation: "remove",
                  reason: { _tag: "Failed" },
                  status: 500,
                  detail: "busy",
                }),
              )
            : real.remove(id, instance),
      }
      const { session, list } = yield* startProcess(driver)
      yield* session.create()
      yield* pass(22)
      assert.isAbove(refusals, 3)
      assert.strictEqual(yield* statusOf(session), "")
      assert.deepStrictEqual(yield* list, [])
    }),
  )

  it.effect(
    "forget sandboxes that the host no longer has, and treat one made again under the name as new",
    () =>
      Effect.gen(function* () {
        const driver = yield* makeDriver
        const { session, list } = yield* startProcess(driver)
        const sandbox = yield* session.create({ name: "a" })
        yield* driver.remove(sandbox.id)
        yield* pass(1)
        assert.deepStrictEqual(yield* list, [])
        const again = yield* session.create({ name: "a" })
        assert.notStrictEqual(again.info.instanceId, sandbox.info.instanceId)
        yield* pass(9)
        assert.strictEqual(yield* statusOf(session), "running")
      }),
  )
})
