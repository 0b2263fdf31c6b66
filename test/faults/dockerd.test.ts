import { Sandboxes } from "@cordon/core"
import * as docker from "@cordon/driver-docker"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Result, Schedule } from "effect"
import { engine } from "../docker/support.ts"
import { noDockerd, startDockerd } from "../support/dockerd.ts"
import { noPostgres } from "../support/postgres.ts"
import { freshSessionId } from "../support/sandbox.ts"
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
      const session = yield* (yield* Sandboxes).session(freshSessionId())
      const sandbox = yield* session.create({ name: "box" })
      yield* sandbox.files.write("kept", "yes")
      const bare = yield* session.create({ name: "bare", network: "none" })
      yield* bare.files.write("kept", "yes too")
      const stopped = yield* session.create({ name: "stopped", network: "none" })
      yield* stopped.stop
      yield* sandbox.run("sleep 100000 > /dev/null 2>&1 & echo $! > pid")
      const cutOff = yield* Effect.forkScoped(Effect.result(sandbox.exec("sleep 60")))
      yield* Effect.sleep("500 millis")
      yield* Effect.promise(() => daemon.restart())

      // Whoever waited for a command hears that it was cut off, rather than waiting on.
      const end = yield* Fiber.join(cutOff)
      if (Result.isFailure(end)) {
        assert.strictEqual(end.failure._tag, "EngineUnreachable")
      } else {
        assert.isFalse(liveRestore)
        assert.strictEqual(end.success.exitCode, 137)
      }

      // The next use works, by the handle that is at hand and by a new one.
      assert.strictEqual(yield* sandbox.files.readText("kept"), "yes")
      assert.strictEqual(yield* (yield* session.get("bare")).files.readText("kept"), "yes too")
      // What was stopped on request has to be started on request.
      const refusal = yield* Effect.flip(stopped.exec("true"))
      assert.strictEqual(refusal._tag, "SandboxNotRunning")
      // By what it is: its number may be another process's by now.
      const { exitCode } = yield* sandbox.exec('grep -q ^sleep "/proc/$(cat pid)/cmdline"')
      assert.strictEqual(exitCode === 0, liveRestore)

      const another = yield* session.create({ name: "another" })
      assert.strictEqual((yield* another.run("echo on")).stdout, "on\n")
      yield* Effect.forEach([sandbox, bare, stopped, another], (made) => made.remove)
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
  onOwnEngine("stops all sandboxes, and their next use starts them with their files", () =>
    withRestart(false),
  )

  onOwnEngine("with live-restore keeps sandboxes and their processes running", () =>
    withRestart(true),
  )

  onOwnEngine("by SIGKILL, with live-restore, gives no running command a made-up exit code", () =>
    Effect.gen(function* () {
      const daemon = yield* Effect.acquireRelease(
        Effect.promise(() => startDockerd({ liveRestore: true, image, from: engine })),
        (daemon) => Effect.promise(() => daemon[Symbol.asyncDispose]()),
      )
      yield* Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session(freshSessionId())
        const sandbox = yield* session.create({ name: "box", network: "none" })
        const ticking = (file: string) =>
          `echo begun > ${file}; while :; do echo on >> ${file}; sleep 0.2; done`
        const terminal = yield* sandbox.terminal({
          command: ["/bin/sh", "-c", ticking("terminal")],
        })
        const running = yield* Effect.all(
          [
            Effect.asVoid(sandbox.exec(ticking("lane"))),
            // More than goes with the command.
            Effect.asVoid(
              sandbox.exec(`cat > /dev/null; ${ticking("engine")}`, { stdin: "x".repeat(100_000) }),
            ),
            Effect.asVoid(terminal.exit),
          ].map((command) =>
            Effect.forkScoped(
              Effect.match(command, {
                onFailure: ({ _tag }) => String(_tag),
                onSuccess: () => "ok",
              }),
            ),
          ),
        )
        const files = ["lane", "engine", "terminal"]
        yield* Effect.forEach(files, (file) =>
          Effect.retry(sandbox.files.readText(file), Schedule.spaced("100 millis")),
        )
        yield* Effect.promise(() => daemon.restart("SIGKILL"))
        const ends = yield* Effect.forEach(running, Fiber.join)
        assert.deepStrictEqual(
          ends,
          files.map(() => "EngineUnreachable"),
        )
        // And what its caller gave up ends.
        yield* Effect.forEach(["lane", "engine"], (file) =>
          Effect.gen(function* () {
            const before = yield* sandbox.files.readText(file)
            yield* Effect.sleep("1 second")
            const after = yield* sandbox.files.readText(file)
            if (after !== before) return yield* Effect.fail("it runs on")
          }).pipe(Effect.retry(Schedule.spaced("500 millis"))),
        )
        yield* sandbox.remove
      }).pipe(
        Effect.provide(
          Sandboxes.layer({ image, limits: { memory: "64MiB", pids: 64 } }).pipe(
            Layer.provide(docker.layer({ host: `unix://${daemon.socketPath}` })),
          ),
        ),
      )
    }).pipe(Effect.scoped),
  )
})
