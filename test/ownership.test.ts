import {
  ExecEvent,
  SandboxDriver,
  Sandboxes,
  SandboxName,
  SessionId,
  sandboxId,
  sessionKey,
} from "@cordon/core"
import * as memory from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"

type Driver = SandboxDriver["Service"]

const memoryDriver = Effect.map(Layer.build(memory.layer()), (context) =>
  Context.get(context, SandboxDriver),
)

/** A session over a driver that a test has changed. */
const sessionOn = (driver: Driver, id = "a") =>
  Effect.flatMap(
    Layer.build(Sandboxes.layer().pipe(Layer.provide(Layer.succeed(SandboxDriver, driver)))),
    (context) => Context.get(context, Sandboxes).session(id),
  )

describe("a session", () => {
  it.live("does not see a sandbox whose session key only shares a prefix with its own", () =>
    Effect.gen(function* () {
      const driver = yield* memoryDriver
      const own = sessionKey(SessionId.make("a"))
      const session = yield* sessionOn(driver)
      yield* session.create({ name: "box" })
      // The ID of a sandbox holds 16 digits of the key. This is the sandbox of a key that shares them.
      const foreign = Effect.map(
        driver.inspect(sandboxId(own, SandboxName.make("box"))),
        (info) => ({
          ...info,
          session: sessionKey(SessionId.make("another")),
        }),
      )
      const another = yield* sessionOn({ ...driver, inspect: () => foreign })
      const error = yield* Effect.flip(another.get("box"))
      assert.strictEqual(error._tag, "SandboxNotFound")
      assert.strictEqual((yield* session.get("box")).name, "box")
    }).pipe(Effect.scoped),
  )

  it.live("fails run() with OutOfMemory when the command exceeded its memory limit", () =>
    Effect.gen(function* () {
      const driver = yield* memoryDriver
      const killed = ExecEvent.Exit({
        exitCode: 137,
        timedOut: false,
        oomKilled: true,
        restarted: false,
      })
      const session = yield* sessionOn({ ...driver, exec: () => Stream.succeed(killed) })
      const sandbox = yield* session.create({ name: "box" })
      assert.isTrue((yield* sandbox.exec("true")).oomKilled)
      const error = yield* Effect.flip(sandbox.run("true"))
      assert.strictEqual(error._tag, "OutOfMemory")
      assert.match(error.message, /"box".*memory limit/)
    }).pipe(Effect.scoped),
  )

  it.live("forgets the secrets of a sandbox that it removed", () =>
    Effect.gen(function* () {
      const driver = yield* memoryDriver
      // One incarnation after the other under one ID, which no real driver gives: what is left then shows.
      const as = "the-same"
      const inspect: Driver["inspect"] = (id) =>
        Effect.map(driver.inspect(id), (info) => ({ ...info, instanceId: as }))
      const session = yield* sessionOn({
        ...driver,
        create: (request) =>
          Effect.map(driver.create(request), (info) => ({ ...info, instanceId: as })),
        inspect,
        exec: (_, { env = {} }) =>
          Stream.make(
            ExecEvent.Stdout({ bytes: new TextEncoder().encode(JSON.stringify(env)) }),
            ExecEvent.Exit({ exitCode: 0, timedOut: false, oomKilled: false, restarted: false }),
          ),
        remove: (id) => driver.remove(id),
      })
      const first = yield* session.create({ name: "box", secrets: { TOKEN: "s3cret" } })
      assert.include((yield* first.run("env")).stdout, "s3cret")
      yield* first.remove
      yield* driver.create({
        id: first.id,
        session: sessionKey(SessionId.make("a")),
        spec: { ...first.info, env: {} },
      })
      const second = yield* session.get("box")
      assert.notInclude((yield* second.run("env")).stdout, "s3cret")
    }).pipe(Effect.scoped),
  )
})
