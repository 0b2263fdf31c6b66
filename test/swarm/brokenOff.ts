import { SandboxDriver, type SandboxId, type SandboxSpec, sandboxId } from "@cordon/core"
import { assert } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer } from "effect"
import { type Cluster, type ClusterNode, until } from "./cluster.ts"
import {
  type Check,
  create,
  type Driver,
  exec,
  leftOf,
  nothing,
  out,
  session,
  specOf,
} from "./support.ts"

const make = Effect.fnUntraced(function* (spec: SandboxSpec) {
  const driver = yield* SandboxDriver
  const id = sandboxId(session, spec.name)
  yield* Effect.addFinalizer(() => Effect.ignore(driver.remove(id)))
  return yield* driver.create({ id, session, spec })
})

const untilServed = ({ engine }: ClusterNode, ids: ReadonlyArray<SandboxId>) =>
  Effect.promise(() =>
    until(`the services of ${ids}`, 20, async () => {
      const services = await engine.listServices()
      return ids.every((id) => services.some(({ Spec }) => Spec?.Name === id))
    }),
  )

const untilNothing = (cluster: Cluster) =>
  Effect.promise(() =>
    until("nothing is left", 60, async () => {
      assert.deepStrictEqual(await leftOf(cluster), nothing)
      return true
    }),
  )

/** What a removal frees at once, and what goes on behind. */
export const removalSuite = (check: Check, one: Driver) => {
  check("frees a sandbox's name and its room on a node at once when it is removed", (cluster) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const { capacity } = yield* driver.capabilities
      const limits = { memory: 64 * 1024 ** 2, cpus: capacity.cpus ?? 0, pids: 32 }
      yield* create({ limits })
      const spec = specOf({ limits, network: "bridge" })
      const { id, instanceId } = yield* make(spec)
      for (let round = 0; round < 3; round++) {
        yield* driver.remove(id)
        assert.notInclude(
          (yield* driver.list(session)).map((info) => info.id),
          id,
        )
        assert.strictEqual((yield* Effect.promise(() => leftOf(cluster))).containers, 1)
        const next = yield* driver.create({ id, session, spec })
        assert.notStrictEqual(next.instanceId, instanceId)
        assert.strictEqual(yield* out(id, "echo anew"), "anew")
      }
    }),
  )

  check("leaves nothing behind when a program exits right after its removals", (cluster) =>
    Effect.gen(function* () {
      yield* Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const ids = yield* Effect.forEach([1, 2, 3], () => create({ network: "internal" }), {
          concurrency: 3,
        })
        yield* Effect.forEach(ids, (id) => driver.remove(id), { concurrency: 3 })
      }).pipe(Effect.scoped, Effect.provide(Layer.fresh(one)))
      assert.deepStrictEqual(yield* Effect.promise(() => leftOf(cluster)), nothing)
    }),
  )

  check("sweeps leftovers of an interrupted removal", (cluster) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const id = yield* create({ network: "bridge" })
      yield* Effect.promise(() => cluster.manager.engine.getService(id).remove())
      yield* Effect.promise(() =>
        until("the sweep", 60, async () => {
          const swept = await Effect.runPromise(driver.sweep(Duration.zero))
          return swept.includes(id)
        }),
      )
      yield* untilNothing(cluster)
    }),
  )
}

/** On a swarm with one manager, which it leaves as it was. */
export const lostManager = (check: Check, one: Driver) => {
  check(
    "finishes creations and removals that the loss of the only manager interrupted, from any program",
    (cluster) =>
      Effect.gen(function* () {
        const { manager } = cluster
        const driver = yield* SandboxDriver
        const used = yield* create()
        // One of this program, and two of a program that ends before the manager is back.
        const [own, again, left] = [
          specOf({ network: "bridge" }),
          specOf(),
          specOf({ network: "bridge" }),
        ]
        const idOf = ({ name }: SandboxSpec) => sandboxId(session, name)
        const creating = yield* Effect.gen(function* () {
          const dying = yield* SandboxDriver
          const creating = yield* Effect.forkDetach(
            driver.create({ id: idOf(own), session, spec: own }),
          )
          yield* Effect.forEach(
            [again, left],
            (spec) =>
              Effect.forkChild(Effect.ignore(dying.create({ id: idOf(spec), session, spec }))),
            { discard: true },
          )
          yield* untilServed(manager, [own, again, left].map(idOf))
          yield* Effect.promise(() => manager.kill())
          return creating
        }).pipe(Effect.scoped, Effect.provide(Layer.fresh(one)))
        assert.strictEqual((yield* Effect.flip(Fiber.join(creating)))._tag, "EngineUnreachable")
        assert.strictEqual((yield* Effect.flip(driver.remove(used)))._tag, "EngineUnreachable")
        yield* Effect.promise(() => manager.restart())
        const listed = yield* driver.list(session)
        assert.deepStrictEqual(
          listed.map(({ id }) => id),
          [used],
        )
        for (const spec of [own, left]) {
          const error = yield* Effect.flip(driver.inspect(idOf(spec)))
          assert.strictEqual(error._tag, "SandboxNotFound")
        }
        for (const spec of [own, again]) {
          yield* make(spec)
          assert.strictEqual(yield* out(idOf(spec), "echo anew"), "anew")
        }
        yield* Effect.promise(() =>
          until("the sweep", 60, async () => {
            await Effect.runPromise(driver.sweep(Duration.zero))
            const { services, networks } = await leftOf(cluster)
            return services === 3 && networks === 1
          }),
        )
        for (const id of [used, idOf(own), idOf(again)]) {
          assert.strictEqual((yield* exec(id, "true")).exitCode, 0)
          yield* driver.remove(id)
        }
        yield* untilNothing(cluster)
      }),
    240_000,
  )
}

/** After the test that made three managers and killed one of them. */
export const lostMajority = (check: Check, three: Driver) =>
  check(
    "undoes a creation that the loss of two of three managers interrupted, as soon as they are back",
    (cluster) =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const [, second, third] = cluster.nodes
        assert.isDefined(second)
        assert.isDefined(third)
        if (second === undefined || third === undefined) return
        yield* Effect.promise(() => cluster.manager.restart())
        const spec = specOf({ network: "internal" })
        const id = sandboxId(session, spec.name)
        const creating = yield* Effect.forkChild(make(spec))
        yield* untilServed(third, [id])
        yield* Effect.promise(() => Promise.all([cluster.manager.kill(), second.kill()]))
        yield* Fiber.interrupt(creating)
        yield* Effect.promise(() => Promise.all([cluster.manager.restart(), second.restart()]))
        yield* make(spec)
        assert.strictEqual(yield* out(id, "echo anew"), "anew")
        yield* driver.remove(id)
        yield* untilNothing(cluster)
      }),
    240_000,
    three,
  )
