import { Sandboxes } from "@cordon/core"
import * as docker from "@cordon/driver-docker"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { engine, freshSession } from "../docker/support.ts"
import { noDockerd, startDockerd } from "../support/dockerd.ts"
import { noPostgres } from "../support/postgres.ts"
import { skipped } from "../support/skipped.ts"
import { image, layerHere, usePostgres } from "./support.ts"

const server = usePostgres()
const missing = noDockerd ?? noPostgres
const onOwnEngine = <E>(name: string, body: () => Effect.Effect<unknown, E>) =>
  missing === undefined ? it.live(name, body, 180_000) : skipped(name, missing)

const withRestart = (liveRestore: boolean) =>
  Effect.gen(function* () {
    const daemon = yield* Effect.acquireRelease(
      Effect.promise(() => startDockerd({ liveRestore, image, from: engine })),
      (daemon) => Effect.promise(() => daemon[Symbol.asyncDispose]()),
    )
    const database = yield* Effect.promise(server.get().createDatabase)
    yield* Effect.gen(function* () {
      const session = yield* (yield* Sandboxes).session(freshSession())
      const sandbox = yield* session.create({ name: "box" })
      yield* sandbox.files.write("kept", "yes")
      const bare = yield* session.create({ name: "bare", network: "none" })
      yield* bare.files.write("kept", "yes too")
      yield* sandbox.run("sleep 100000 > /dev/null 2>&1 & echo $! > pid")
      const cutOff = yield* Effect.forkScoped(Effect.exit(sandbox.exec("sleep 60")))
      yield* Effect.sleep("500 millis")
      yield* Effect.promise(daemon.restart)

      // Whoever waited for a command hears that it was cut off, rather than waiting on.
      const exit = yield* Fiber.join(cutOff)
      assert.strictEqual(exit._tag, "Failure")

      // The next use works, at once or as soon as it was seen what the restart did.
      const usable = (name: string) =>
        Effect.gen(function* () {
          const found = yield* session.get(name)
          return yield* found.files.readText("kept")
        }).pipe(Effect.retry(Schedule.spaced("200 millis")))
      assert.strictEqual(yield* usable("box"), "yes")
      assert.strictEqual(yield* usable("bare"), "yes too")
      // By what it is: its number may be another process's by now.
      const { exitCode } = yield* sandbox.exec('grep -q ^sleep "/proc/$(cat pid)/cmdline"')
      assert.strictEqual(exitCode === 0, liveRestore)

      const another = yield* session.create({ name: "another" })
      assert.strictEqual((yield* another.run("echo on")).stdout, "on\n")
      yield* Effect.forEach([sandbox, bare, another], (made) => made.remove)
      const left = yield* Effect.promise(async () => ({
        containers: (await daemon.engine.listContainers({ all: true })).length,
        networks: (await daemon.engine.listNetworks({ filters: { label: ["dev.cordon.id"] } }))
          .length,
      }))
      assert.deepStrictEqual(left, { containers: 0, networks: 0 })
    }).pipe(
      Effect.provide(
        layerHere(
          database,
          { idleTimeout: "20 seconds", removeTimeout: "5 minutes" },
          docker.layer({ host: `unix://${daemon.socketPath}` }),
        ),
      ),
    )
  }).pipe(Effect.scoped)

describe("a restart of dockerd", () => {
  onOwnEngine("stops all sandboxes, whose next use starts them with their files", () =>
    withRestart(false),
  )

  onOwnEngine("with live-restore leaves them and their processes running", () => withRestart(true))
})
