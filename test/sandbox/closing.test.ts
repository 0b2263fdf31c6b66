import { EngineError, type SandboxDriver, Sandboxes } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Logger, Scope } from "effect"
import { driverWith, sandboxesOn } from "../support/capableDriver.ts"

type Remove = SandboxDriver["Service"]["remove"]

/** Runs something, and gives what was logged meanwhile. */
const loggedBy = (body: Effect.Effect<unknown, unknown, Scope.Scope>) =>
  Effect.gen(function* () {
    const logged: Array<string> = []
    const logger = Logger.make(({ message }) => void logged.push(JSON.stringify(message)))
    yield* Effect.scoped(body).pipe(Effect.provide(Logger.layer([logger])))
    return logged
  })

const refuse: Remove = () =>
  Effect.fail(
    new EngineError({
      operation: "remove",
      reason: { _tag: "Failed" },
      status: 500,
      detail: "it is busy",
    }),
  )

const ways = {
  "a scope": (sandboxes: Sandboxes["Service"]) =>
    Effect.flatMap(sandboxes.session("a"), (session) => Sandboxes.scoped(session)),
  "a session": (sandboxes: Sandboxes["Service"]) =>
    Effect.flatMap(sandboxes.openSession("a", { removeOnClose: true }), (session) =>
      session.create(),
    ),
}

describe("Closing", () => {
  for (const [what, create] of Object.entries(ways)) {
    it.live(
      `${what} logs a warning for a sandbox that can't be removed, and none for one already gone`,
      () =>
        Effect.gen(function* () {
          for (const gone of [true, false]) {
            const driver = yield* driverWith(() => (gone ? {} : { remove: refuse }))
            const sandboxes = yield* sandboxesOn(driver, { removeOnClose: false })
            let id = ""
            const logged = yield* loggedBy(
              Effect.gen(function* () {
                const sandbox = yield* create(sandboxes)
                id = sandbox.id
                const another = yield* sandboxes.session("a")
                if (gone) yield* (yield* another.get(id)).remove
              }),
            )
            assert.strictEqual(logged.length, gone ? 0 : 1, logged.join())
            for (const line of logged) {
              assert.include(line, id)
              assert.include(line, "it is busy")
            }
          }
        }).pipe(Effect.scoped),
    )
  }

  it.live(
    "a session removes its sandboxes, unless its options, or else the settings, say not to",
    () =>
      Effect.gen(function* () {
        for (const [settings, options, left] of [
          [true, {}, 0],
          [false, {}, 1],
          [true, { removeOnClose: false }, 1],
          [false, { removeOnClose: true }, 0],
        ] as const) {
          const driver = yield* driverWith(() => ({}))
          const sandboxes = yield* sandboxesOn(driver, { removeOnClose: settings })
          const scope = yield* Scope.make()
          const session = yield* Scope.provide(sandboxes.openSession("a", options), scope)
          yield* session.create()
          yield* Scope.close(scope, Exit.void)
          assert.strictEqual((yield* driver.list()).length, left)
        }
      }).pipe(Effect.scoped),
  )
})
