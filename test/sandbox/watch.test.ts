import { EngineUnreachable, FolderChange, type SandboxDriver } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Stream } from "effect"
import { sessionWith } from "../support/capableDriver.ts"

type Driver = SandboxDriver["Service"]

const away = Effect.fail(new EngineUnreachable({ endpoint: "unix:///none", reason: "away" }))

/** How a watch ends that the driver gives up after a first look, where the driver then says this. */
const endOf = (inspect: (driver: Driver) => Driver["inspect"]) =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    let isOver = false
    const entry = { name: "late", path: "late", kind: "file" as const, size: 0, mode: 0o644 }
    const session = yield* sessionWith((driver) => ({
      watchFolder: () =>
        Stream.concat(
          Stream.make(
            FolderChange.Complete(),
            FolderChange.Found({ entry: { ...entry, modifiedAt: new Date() } }),
          ),
          Stream.suspend(() => {
            isOver = true
            return Stream.fromEffect(away)
          }),
        ),
      inspect: (id) => Effect.suspend(() => (isOver ? inspect(driver)(id) : driver.inspect(id))),
    }))
    const { files } = yield* session.create()
    const watch = Stream.runForEach(files.watch(".", { interval: "1 hour" }), ({ _tag }) =>
      Effect.sync(() => void seen.push(_tag)),
    )
    return { seen, exit: yield* Effect.exit(watch) }
  })

describe("A watch that the driver ends", () => {
  it.live("fails when the sandbox still runs, or its state is unknown", () =>
    Effect.gen(function* () {
      for (const inspect of [() => () => away, ({ inspect }: Driver) => inspect]) {
        assert.isTrue(Exit.isFailure((yield* endOf(inspect)).exit))
      }
    }).pipe(Effect.scoped),
  )

  it.live(
    "ends without an error when the sandbox was stopped or made anew, after the last events",
    () =>
      Effect.gen(function* () {
        for (const change of [{ status: "stopped" as const }, { instanceId: "another" }]) {
          const { exit, seen } = yield* endOf(
            ({ inspect }) =>
              (id) =>
                Effect.map(inspect(id), (info) => ({ ...info, ...change })),
          )
          assert.isTrue(Exit.isSuccess(exit))
          assert.deepStrictEqual(seen, ["Ready", "Created"])
        }
      }).pipe(Effect.scoped),
  )
})
