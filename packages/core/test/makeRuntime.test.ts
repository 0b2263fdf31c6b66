import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { memory } from "@cordon/driver-memory"
import { sqlite } from "@cordon/lease-store-sqlite"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Stream } from "effect"
import { createSandboxes, LeaseStoreFailed, layerSandboxes, makeRuntime } from "../src/index.ts"
import { iterable } from "../src/promise/iterable.ts"
import { makePromiseRuntime, run } from "../src/promise/runtime.ts"

class Database extends Context.Service<Database, { readonly built: number }>()("Database") {}

const away = new LeaseStoreFailed({ operation: "connect", reason: "nothing listens there" })

/** A database that is there from the third look on. */
const makeDatabase = () => {
  const counts = { built: 0, released: 0 }
  const layer = Layer.effect(
    Database,
    Effect.gen(function* () {
      counts.built += 1
      yield* Effect.addFinalizer(() => Effect.sync(() => void counts.released++))
      return counts.built < 3 ? yield* away : { built: counts.built }
    }),
  )
  return { counts, layer }
}

describe("a runtime whose layer can't be built yet", () => {
  it("builds the layer again for the next call, and keeps it once built", async () => {
    const { counts, layer } = makeDatabase()
    const runtime = makeRuntime(layer)
    for (let n = 0; n < 2; n++) {
      const error = await runtime.runPromise(Effect.flip(Effect.asVoid(Database))).catch((e) => e)
      assert.strictEqual(error, away)
    }
    assert.strictEqual((await runtime.runPromise(Database)).built, 3)
    assert.strictEqual((await runtime.runPromise(Database)).built, 3)
    await runtime.dispose()
    assert.strictEqual(counts.released, 3)
  })
})

describe("a program whose database is not there at first", () => {
  it("gets an error, and works as soon as the database is there", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cordon-late-"))
    const filename = join(folder, "mounted", "leases.db")
    try {
      await using sandboxes = createSandboxes({
        driver: memory(),
        leaseStore: sqlite({ filename }),
      })
      for (let n = 0; n < 2; n++) {
        const error = await sandboxes.create().catch((error: unknown) => error)
        assert.instanceOf(error, LeaseStoreFailed)
      }
      mkdirSync(join(folder, "mounted"))
      await using sandbox = await sandboxes.create()
      assert.strictEqual((await sandbox.run("echo on")).stdout, "on\n")
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe("a call that is aborted and can't be undone", () => {
  const runtime = makePromiseRuntime(layerSandboxes({ driver: memory() }), "a test", Layer.empty)
  /** As a kill that an engine does not answer before it is let go on. */
  const answered = Deferred.makeUnsafe<void>()
  const stuck = Effect.onInterrupt(Effect.never, () => Deferred.await(answered))
  afterAll(() => {
    Deferred.doneUnsafe(answered, Effect.void)
    return runtime.close()
  })

  it("rejects at once", async () => {
    const controller = new AbortController()
    const call = run(runtime, stuck, { signal: controller.signal })
    controller.abort(new Error("enough"))
    const error = await call.catch((error: unknown) => error)
    assert.strictEqual(String(error), "Error: enough")
  })

  it("rejects at once also for a stream", async () => {
    const controller = new AbortController()
    const stream = Stream.concat(Stream.make(1), Stream.fromEffectDrain(stuck))
    const iterator = iterable(runtime, stream, controller)[Symbol.asyncIterator]()
    assert.deepStrictEqual(await iterator.next(), { done: false, value: 1 })
    const next = iterator.next()
    controller.abort(new Error("enough"))
    const error = await next.catch((error: unknown) => error)
    assert.strictEqual(String(error), "Error: enough")
  })

  it("lets a loop over its stream be left at once", async () => {
    const stream = Stream.concat(Stream.make(1), Stream.fromEffectDrain(stuck))
    const iterator = iterable(runtime, stream)[Symbol.asyncIterator]()
    assert.deepStrictEqual(await iterator.next(), { done: false, value: 1 })
    void iterator.next()
    assert.deepInclude(await iterator.return?.(), { done: true })
  })
})
