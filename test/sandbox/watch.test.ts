import { EngineUnreachable, type SandboxDriver } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Stream } from "effect"
import { sessionWith } from "../support/capableDriver.ts"

type Driver = SandboxDriver["Service"]

const away = Effect.fail(new EngineUnreachable({ endpoint: "unix:///none", reason: "away" }))

/** How a watch ends whose looks fail from its first one on, where the driver then says this. */
const endOf = (inspect: (driver: Driver) => Driver["inspect"]) =>
  Effect.gen(function* () {
    let ready = false
    const session = yield* sessionWith((driver) => ({
      exec: (...which) => (ready ? Stream.fromEffect(away) : driver.exec(...which)),
      inspect: (id) => Effect.suspend(() => (ready ? inspect(driver)(id) : driver.inspect(id))),
    }))
    const { files } = yield* session.create()
    const watch = Stream.runForEach(files.watch(".", { interval: 100 }), () =>
      Effect.sync(() => {
        ready = true
      }),
    )
    return yield* Effect.exit(watch)
  })

describe("A watch whose looks fail", () => {
  it.live("fails where nobody can tell whether the sandbox runs, and where it does", () =>
    Effect.gen(function* () {
      assert.isTrue(Exit.isFailure(yield* endOf(() => () => away)))
      assert.isTrue(Exit.isFailure(yield* endOf(({ inspect }) => inspect)))
    }).pipe(Effect.scoped),
  )

  it.live("ends where the sandbox was stopped, or made anew", () =>
    Effect.gen(function* () {
      for (const change of [{ status: "stopped" as const }, { instanceId: "another" }]) {
        const end = yield* endOf(
          ({ inspect }) =>
            (id) =>
              Effect.map(inspect(id), (info) => ({ ...info, ...change })),
        )
        assert.isTrue(Exit.isSuccess(end))
      }
    }).pipe(Effect.scoped),
  )
})
