import {
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
import { Context, Effect, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"

type Driver = SandboxDriver["Service"]
type Store = LeaseStore["Service"]

const workerCount = 3
// Few, so that what is done meets what was done before.
const names = ["a", "b"] as const
type Name = (typeof names)[number]

/** All that a user should have to know of a sandbox. */
interface Model {
  /** What its file says. */
  content: string
  /** Whether it was stopped on request. */
  stopped: boolean
  /** Minutes. */
  unusedFor: number
}

type Operation =
  | { readonly op: "create" | "read" | "stop" | "start" | "remove"; readonly name: Name }
  | { readonly op: "write"; readonly name: Name; readonly content: string }
  | { readonly op: "pass"; readonly minutes: number }
  | { readonly op: "crash" }

const operation = fc.oneof(
  fc.record({
    op: fc.constantFrom("create", "read", "stop", "start", "remove"),
    name: fc.constantFrom(...names),
  }),
  fc.record({ op: fc.constant("write"), name: fc.constantFrom(...names), content: fc.string() }),
  fc.record({ op: fc.constant("pass"), minutes: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ op: fc.constant("crash") }),
) satisfies fc.Arbitrary<Operation>

const steps = fc.array(fc.tuple(fc.nat({ max: workerCount - 1 }), operation), {
  minLength: 10,
  maxLength: 40,
})

interface Worker {
  readonly session: SandboxSession
  readonly scope: Scope.Closeable
}

const startWorker = Effect.fnUntraced(function* (driver: Driver, store: Store) {
  const scope = yield* Scope.make()
  const layer = Sandboxes.layerLeases.pipe(
    Layer.provide(Leases.layer),
    Layer.provide(Layer.succeed(LeaseStore, store)),
    Layer.provide(Settings.layer({ removeOnClose: false })),
    Layer.provide(Layer.succeed(SandboxDriver, driver)),
  )
  const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
  const session = yield* Context.get(context, Sandboxes).session("s")
  const worker: Worker = { session, scope }
  return worker
})

/** Lets time pass in steps, and what runs in the background act after each. */
const pass = Effect.fnUntraced(function* (minutes: number) {
  for (let step = 0; step < minutes * 4; step++) {
    yield* TestClock.adjust("15 seconds")
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  }
})

/** How an operation ended, in one word. */
const outcome = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
  Effect.match(effect, { onSuccess: () => "ok", onFailure: ({ _tag }) => String(_tag) })

const play = Effect.fnUntraced(function* (
  script: ReadonlyArray<readonly [number, Operation]>,
): Effect.fn.Return<void, unknown, Scope.Scope> {
  const driver = Context.get(yield* Layer.build(memory.layer()), SandboxDriver)
  const memoryStore = Context.get(yield* Layer.build(leaseStoreMemory), LeaseStore)
  const store: Store = { ...memoryStore, shared: true }
  const { hostId } = yield* driver.capabilities
  const workers: Array<Worker> = []
  for (let n = 0; n < workerCount; n++) workers.push(yield* startWorker(driver, store))
  const model = new Map<Name, Model>()

  const removed = (sandbox: Model) => sandbox.unusedFor >= 20

  for (const [n, step] of script) {
    const worker = workers[n]
    assert.isDefined(worker)
    const { session } = worker
    if (step.op === "crash") {
      yield* Scope.close(worker.scope, yield* Effect.exit(Effect.void))
      workers[n] = yield* startWorker(driver, store)
      continue
    }
    if (step.op === "pass") {
      yield* pass(step.minutes)
      for (const [name, sandbox] of model) {
        sandbox.unusedFor += step.minutes
        if (removed(sandbox)) model.delete(name)
      }
    } else {
      const { name } = step
      const known = model.get(name)
      const missing = known === undefined ? "SandboxNotFound" : undefined
      const asleep = known?.stopped === true ? "SandboxNotRunning" : undefined
      if (step.op === "create") {
        const result = yield* outcome(session.create({ name }))
        assert.strictEqual(result, known === undefined ? "ok" : "SandboxNameTaken")
        if (known === undefined) model.set(name, { content: "", stopped: false, unusedFor: 0 })
      } else {
        const found = Effect.flatMap(session.get(name), (sandbox) => Effect.succeed(sandbox))
        switch (step.op) {
          case "read": {
            const read = Effect.flatMap(found, (sandbox) =>
              sandbox.run("cat content 2>/dev/null || true"),
            )
            assert.strictEqual(yield* outcome(read), missing ?? asleep ?? "ok")
            if (known !== undefined && !known.stopped) {
              assert.strictEqual((yield* read).stdout, known.content)
            }
            break
          }
          case "write": {
            const { content } = step
            const text = Buffer.from(content).toString("hex")
            const write = Effect.flatMap(found, ({ files }) => files.write("content", text))
            assert.strictEqual(yield* outcome(write), missing ?? asleep ?? "ok")
            if (known !== undefined && !known.stopped) known.content = text
            break
          }
          case "stop":
            assert.strictEqual(
              yield* outcome(Effect.flatMap(found, ({ stop }) => stop)),
              missing ?? "ok",
            )
            if (known !== undefined) known.stopped = true
            break
          case "start":
            assert.strictEqual(
              yield* outcome(Effect.flatMap(found, ({ start }) => start)),
              missing ?? "ok",
            )
            if (known !== undefined) known.stopped = false
            break
          case "remove":
            assert.strictEqual(
              yield* outcome(Effect.flatMap(found, ({ remove }) => remove)),
              missing ?? "ok",
            )
            model.delete(name)
            break
        }
        // Stopping is no use; and what is stopped on request is not used by being asked for.
        if (known !== undefined && !known.stopped) known.unusedFor = 0
      }
    }
    const present = yield* driver.list()
    assert.deepStrictEqual(
      present.map(({ name }) => String(name)).sort(),
      [...model.keys()].sort(),
      "the sandboxes on the host",
    )
    for (const { name, status } of present) {
      const sandbox = [...model].find(([known]) => known === String(name))?.[1]
      const idle = sandbox !== undefined && (sandbox.stopped || sandbox.unusedFor >= 10)
      assert.strictEqual(status, idle ? "stopped" : "running", name)
    }
    assert.strictEqual((yield* store.list(hostId)).length, model.size, "the leases")
  }
  // Nobody does anything any more: nothing stays.
  yield* pass(21)
  assert.deepStrictEqual(yield* driver.list(), [])
  assert.deepStrictEqual(yield* store.list(hostId), [])
  yield* Effect.forEach(workers, ({ scope }) =>
    Effect.flatMap(Effect.exit(Effect.void), (exit) => Scope.close(scope, exit)),
  )
})

describe("random operations by several workers", () => {
  it("have the outcomes that a simple model predicts", () =>
    fc.assert(
      fc.asyncProperty(steps, (script) =>
        Effect.runPromise(
          play(script).pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.orDie),
        ),
      ),
      { numRuns: Number(process.env["CORDON_TEST_RUNS"] ?? 40) },
    ))
})
