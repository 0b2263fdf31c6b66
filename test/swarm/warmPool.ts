import { SandboxDriver, SandboxName, type SandboxSpec, sandboxId } from "@cordon/core"
import { assert } from "@effect/vitest"
import { Context, Duration, Effect, Layer } from "effect"
import { type Cluster, until } from "./cluster.ts"
import { type Check, type Driver, exec, leftOf, nothing, out, session, specOf } from "./support.ts"

/** The containers that were made ahead and run: the services that they are of. */
const waiting = async ({ workers }: Cluster) => {
  const all = await Promise.all(workers.map(({ engine }) => engine.listContainers()))
  return all
    .flat()
    .filter(({ Labels }) => Labels["dev.cordon.id"]?.startsWith("cordon-0000000000000000-"))
    .map(({ Labels }) => Labels["com.docker.swarm.service.id"])
}

/** Waits until there are so many; those that are sandboxes by now are among them. */
const ready = (cluster: Cluster, count: number) =>
  Effect.promise(async () => {
    const found = await until(`${count} made ahead`, 30, async () => {
      const all = await waiting(cluster)
      return all.length >= count ? all : undefined
    })
    // The pool has done with them a moment after they run.
    await new Promise((resolve) => setTimeout(resolve, 1500))
    return found
  })

const make = Effect.fnUntraced(function* (spec: SandboxSpec) {
  const driver = yield* SandboxDriver
  const id = sandboxId(session, spec.name)
  yield* Effect.addFinalizer(() => Effect.ignore(driver.remove(id)))
  return yield* driver.create({ id, session, spec })
})

/**
 * What a warm pool gives away.
 *
 * @param check has a driver with a pool of one of each kind
 */
export const warmPoolSuite = (
  check: Check,
  driverWith: (warmPool: { readonly size: number; readonly kinds: number }) => Driver,
  without: Driver,
) => {
  /** What another program does, with a driver of its own. */
  const elsewhere = <A, E>(use: Effect.Effect<A, E, SandboxDriver>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const context = yield* Layer.build(Layer.fresh(without))
        return yield* Effect.provideService(use, SandboxDriver, Context.get(context, SandboxDriver))
      }),
    )

  check("hands a ready sandbox to one session, and every program agrees whose it is", (cluster) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const cold = yield* make(specOf())
      const [first] = yield* ready(cluster, 1)
      const spec = specOf()
      const warm = yield* make(spec)
      // The name is a service without a task; the one that was ready has it.
      const services = yield* Effect.promise(() => cluster.manager.engine.listServices())
      const named = services.find(({ Spec }) => Spec?.Name === warm.id)
      assert.strictEqual(named?.ID, warm.instanceId)
      assert.strictEqual(named?.Spec?.Labels?.["dev.cordon.service"], first)
      assert.strictEqual(
        yield* out(warm.id, "echo kept | tee /tmp/kept; hostname"),
        "kept\nsandbox",
      )
      yield* elsewhere(
        Effect.gen(function* () {
          const other = yield* SandboxDriver
          const { busy: _, unusedElsewhereFor: __, ...info } = yield* other.inspect(warm.id)
          const { busy: ___, ...made } = warm
          assert.deepStrictEqual(info, made)
          assert.deepStrictEqual(
            (yield* other.list(session)).map(({ id, status }) => `${id} ${status}`).sort(),
            [`${cold.id} running`, `${warm.id} running`].sort(),
          )
          assert.strictEqual(yield* out(warm.id, "cat /tmp/kept"), "kept")
          const again = other.create({ id: warm.id, session, spec })
          assert.strictEqual((yield* Effect.flip(again))._tag, "SandboxNameTaken")
        }),
      )
      yield* driver.stop(warm.id)
      assert.strictEqual((yield* driver.inspect(warm.id)).status, "stopped")
      yield* driver.start(warm.id)
      assert.strictEqual(yield* out(warm.id, "cat /tmp/kept"), "kept")
      // Another program can remove it with all that it is made of.
      yield* elsewhere(Effect.flatMap(SandboxDriver, (other) => other.remove(warm.id)))
      assert.strictEqual((yield* Effect.flip(driver.inspect(warm.id)))._tag, "SandboxNotFound")
      assert.notInclude(yield* Effect.promise(() => waiting(cluster)), first)
    }),
  )

  check("hands no sandbox out twice, and a name to only one of two programs", (cluster) =>
    Effect.gen(function* () {
      const context = yield* Layer.build(Layer.fresh(driverWith({ size: 2, kinds: 1 })))
      const here = yield* SandboxDriver
      const there = Context.get(context, SandboxDriver)
      for (const driver of [here, there]) {
        yield* Effect.provideService(make(specOf()), SandboxDriver, driver)
      }
      yield* ready(cluster, 3)
      const spec = specOf()
      const both = yield* Effect.all(
        [here, there].map((driver) =>
          Effect.result(Effect.provideService(make(spec), SandboxDriver, driver)),
        ),
        { concurrency: 2 },
      )
      assert.deepStrictEqual(both.map(({ _tag }) => _tag).sort(), ["Failure", "Success"])
      const boxes = yield* Effect.forEach(
        [here, there, here, there],
        (driver) => Effect.provideService(make(specOf()), SandboxDriver, driver),
        { concurrency: 4 },
      )
      const marks = yield* Effect.forEach(boxes, ({ id }) =>
        out(id, `cat /mark 2>/dev/null; echo ${id} | tee /mark`),
      )
      assert.deepStrictEqual(
        marks,
        boxes.map(({ id }) => String(id)),
      )
    }),
  )

  check("makes a new sandbox when another program swept the ready ones", (cluster) =>
    Effect.gen(function* () {
      yield* make(specOf())
      const before = yield* ready(cluster, 1)
      yield* elsewhere(Effect.flatMap(SandboxDriver, (other) => other.sweep(Duration.zero)))
      const left = yield* Effect.promise(() => waiting(cluster))
      for (const service of before) assert.notInclude(left, service)
      const { id } = yield* make(specOf())
      assert.strictEqual(yield* out(id, "echo on"), "on")
    }),
  )

  check("gives up a ready sandbox when a creation finds no other room", (cluster) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const { capacity } = yield* driver.capabilities
      const limits = { memory: 64 * 1024 ** 2, cpus: capacity.cpus ?? 0, pids: 32 }
      const { id } = yield* make(specOf({ limits }))
      yield* ready(cluster, 1)
      const other = yield* make(
        specOf({ limits: { ...limits, cpus: limits.cpus / 2 }, network: "none" }),
      )
      assert.strictEqual(yield* out(other.id, "echo on"), "on")
      assert.strictEqual((yield* exec(id, "true")).exitCode, 0)
    }),
  )

  check(
    "leaves nothing when its program ends",
    (cluster) =>
      Effect.gen(function* () {
        yield* Effect.promise(() =>
          until("the end of what other tests made", 60, async () => {
            const { services } = await leftOf(cluster)
            return services === 0
          }),
        ).pipe(Effect.ignore)
        yield* Effect.gen(function* () {
          const context = yield* Layer.build(Layer.fresh(driverWith({ size: 2, kinds: 1 })))
          const driver = Context.get(context, SandboxDriver)
          yield* Effect.provideService(
            make(specOf({ network: "internal", name: SandboxName.make("last") })),
            SandboxDriver,
            driver,
          )
          yield* ready(cluster, 2)
        }).pipe(Effect.scoped)
        yield* Effect.promise(() =>
          until("nothing is left", 30, async () => {
            assert.deepStrictEqual(await leftOf(cluster), nothing)
            return true
          }),
        )
      }),
    120_000,
    without,
  )
}
