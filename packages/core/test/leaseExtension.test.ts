import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Driver, makeDriver, pass, silent, startProcess, storages } from "./leaseStage.ts"

const settings = { idleTimeout: "10 minutes", removeTimeout: "20 minutes" } as const

/** How a call failed, if it did. */
const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onSuccess: () => "none", onFailure: ({ _tag }): string => _tag })

for (const { name, open } of storages) {
  describe(`an extended sandbox, with leases in ${name}`, () => {
    it.effect(
      "is kept by every program that shares the leases, and afterwards stopped and removed",
      () =>
        Effect.gen(function* () {
          const driver = yield* makeDriver
          const storage = yield* open
          const one = yield* startProcess(silent(driver), yield* storage, settings)
          yield* startProcess(silent(driver), yield* storage, settings)
          const sandbox = yield* one.session.create()
          yield* sandbox.extend("40 minutes")
          // What ends sooner shortens nothing, and a use neither.
          yield* sandbox.extend(1000)
          yield* sandbox.run("true")
          yield* pass(45)
          assert.strictEqual((yield* driver.inspect(sandbox.id)).status, "running")
          yield* pass(10)
          assert.strictEqual((yield* driver.inspect(sandbox.id)).status, "stopped")
          yield* pass(10)
          assert.strictEqual((yield* driver.list()).length, 0)
        }),
    )

    it.effect("that is stopped stays stopped, and is kept", () =>
      Effect.gen(function* () {
        const driver = yield* makeDriver
        const { session } = yield* startProcess(silent(driver), yield* yield* open, settings)
        const [asked, idle] = [yield* session.create(), yield* session.create()]
        yield* asked.stop
        yield* pass(12)
        for (const sandbox of [asked, idle]) {
          yield* sandbox.extend("30 minutes")
          assert.strictEqual((yield* driver.inspect(sandbox.id)).status, "stopped")
        }
        yield* pass(45)
        assert.strictEqual((yield* driver.list()).length, 2)
        yield* pass(10)
        assert.strictEqual((yield* driver.list()).length, 0)
      }),
    )
  })
}

describe("an extension", () => {
  it.effect(
    "tells the host to keep the sandbox for the maximum time after all programs have ended",
    () =>
      Effect.gen(function* () {
        const [storage] = storages
        assert.isDefined(storage)
        const driver = yield* makeDriver
        const told: Array<readonly [string, number]> = []
        const host: Driver = {
          ...silent(driver),
          outlive: (id, milliseconds) => Effect.sync(() => void told.push([id, milliseconds])),
        }
        const { session } = yield* startProcess(host, yield* yield* storage.open, settings)
        const sandbox = yield* session.create()
        yield* sandbox.extend("1 hour")
        yield* sandbox.extend("1 second")
        const most = [sandbox.id, 80 * 60_000] as const
        assert.deepStrictEqual(told, [most, most])
      }),
  )

  it.effect("must be a finite time within the limit of the settings", () =>
    Effect.gen(function* () {
      const [storage] = storages
      assert.isDefined(storage)
      const driver = yield* makeDriver
      const { session } = yield* startProcess(silent(driver), yield* yield* storage.open, {
        ...settings,
        extensionLimit: "2 hours",
      })
      const sandbox = yield* session.create()
      for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "121 minutes"] as const) {
        assert.strictEqual(yield* tagOf(sandbox.extend(bad)), "InvalidInput", String(bad))
      }
      assert.strictEqual(yield* tagOf(sandbox.extend("2 hours")), "none")
    }),
  )

  it.effect(
    "is refused for a removed sandbox, and does not extend the next one with its name",
    () =>
      Effect.gen(function* () {
        const [storage] = storages
        assert.isDefined(storage)
        const driver = yield* makeDriver
        const { session } = yield* startProcess(
          silent(driver),
          yield* yield* storage.open,
          settings,
        )
        const sandbox = yield* session.create({ name: "a" })
        yield* sandbox.extend("1 hour")
        yield* sandbox.remove
        assert.strictEqual(yield* tagOf(sandbox.extend("1 hour")), "SandboxNotFound")
        const next = yield* session.create({ name: "a" })
        assert.strictEqual(yield* tagOf(sandbox.extend("1 hour")), "LeaseLost")
        yield* pass(12)
        assert.strictEqual((yield* driver.inspect(next.id)).status, "stopped")
      }),
  )
})
