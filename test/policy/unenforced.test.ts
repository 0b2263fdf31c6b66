import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Logger } from "effect"
import { capable, driverWith, sandboxesOn } from "../support/capableDriver.ts"

/** A host that enforces the limit of processes alone. */
const weakHost = driverWith((driver) => ({
  capabilities: Effect.map(capable(driver).capabilities, (all) => ({
    ...all,
    enforced: { memory: false, cpus: false, pids: true, disk: false },
  })),
}))

const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${message}`))
    yield* Effect.provide(effect, Logger.layer([logger]))
    return lines.filter((line) => line.startsWith("Warn"))
  })

describe("limits that a host does not enforce", () => {
  it.effect("are logged once, at the first creation, and only those that the sandbox has", () =>
    Effect.gen(function* () {
      const lines = yield* logged(
        Effect.gen(function* () {
          const session = yield* (yield* sandboxesOn(yield* weakHost)).session("a")
          yield* session.create({ name: "one" })
          yield* session.create({ name: "two" })
        }),
      )
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /does not enforce the limits of memory, cpus: /)
    }).pipe(Effect.scoped),
  )

  it.effect("make a creation fail when the settings require one of them", () =>
    Effect.gen(function* () {
      const requireLimits = ["cpus", "pids"] as const
      const sandboxes = yield* sandboxesOn(yield* weakHost, { requireLimits })
      const session = yield* sandboxes.session("a")
      const error = yield* Effect.flip(session.create())
      assert.strictEqual(error._tag, "LimitsNotEnforced")
      assert.match(error.message, /does not enforce the limits of cpus, which .*requireLimits/)
      assert.deepStrictEqual(yield* session.list, [])
    }).pipe(Effect.scoped),
  )

  it.effect("let a creation pass when the required limits are enforced or not set", () =>
    Effect.gen(function* () {
      const requireLimits = ["pids", "disk"] as const
      const session = yield* (yield* sandboxesOn(yield* weakHost, { requireLimits })).session("a")
      yield* session.create()
      const disk = { limits: { disk: "1GiB" } }
      const refused = yield* Effect.flip(
        (yield* (yield* sandboxesOn(yield* weakHost, { requireLimits, ...disk })).session(
          "a",
        )).create(),
      )
      assert.strictEqual(refused._tag, "LimitsNotEnforced")
    }).pipe(Effect.scoped),
  )

  it.effect("can be required by an environment variable, which must name existing limits", () =>
    Effect.gen(function* () {
      const driver = yield* weakHost
      const made = (value: string) =>
        Effect.gen(function* () {
          const session = yield* (yield* sandboxesOn(driver)).session("a")
          return yield* session.create()
        }).pipe(
          Effect.flip,
          Effect.map(({ _tag }) => _tag),
          Effect.provideService(
            ConfigProvider.ConfigProvider,
            ConfigProvider.fromEnv({ env: { CONTAINER_SANDBOX_REQUIRE_LIMITS: value } }),
          ),
        )
      assert.strictEqual(yield* made("memory, pids"), "LimitsNotEnforced")
      assert.strictEqual(yield* made("memory,speed"), "InvalidInput")
    }).pipe(Effect.scoped),
  )
})
