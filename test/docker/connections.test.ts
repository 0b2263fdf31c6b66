// How programs that use one sandbox are connected to its init, each by itself.
import { EngineUnreachable, Sandboxes, type SandboxSession } from "@cordon/core"

import { DockerEngine, layerDriver, localEngine } from "@cordon/driver-docker"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule } from "effect"
import { socketPath } from "../support/docker.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { containerOf, engine, image, onEngine, textOf, withSession } from "./support.ts"

/** Another program with the same session, whose engine may be another one. */
const elsewhere = <A, E>(
  sessionId: string,
  f: (session: SandboxSession) => Effect.Effect<A, E>,
  docker: Layer.Layer<DockerEngine> = localEngine(socketPath),
) =>
  Effect.gen(function* () {
    const sandboxes = yield* Sandboxes
    return yield* f(yield* sandboxes.session(sessionId))
  }).pipe(
    Effect.provide(
      Sandboxes.layer({ image, removeOnClose: false }).pipe(
        Layer.provide(layerDriver().pipe(Layer.provide(docker))),
      ),
      // Nothing of this program's.
      { local: true },
    ),
    Effect.scoped,
  )

/** A session of this program, and its ID for others. */
const shared = <A, E>(f: (session: SandboxSession, id: string) => Effect.Effect<A, E>) => {
  const id = freshSessionId()
  return withSession((_, sandboxes) =>
    Effect.gen(function* () {
      return yield* f(yield* sandboxes.session(id), id)
    }),
  )
}

describe("connections to a sandbox", () => {
  onEngine(
    "can be held by two programs, and a timeout in one does not end the other's command",
    () =>
      shared((session, id) =>
        Effect.gen(function* () {
          const sandbox = yield* session.create({ name: "box", network: "none" })
          const running = yield* Effect.forkChild(
            sandbox.exec("until [ -e go ]; do sleep 0.1; done"),
          )
          yield* elsewhere(id, (other) =>
            Effect.gen(function* () {
              const same = yield* other.get("box")
              const timedOut = yield* same.exec("sleep 1000", { timeout: "1 second" })
              assert.isTrue(timedOut.timedOut)
              assert.isFalse(timedOut.restarted)
              assert.isTrue((yield* same.inspect).busy)
              yield* same.files.write("go", "")
            }),
          )
          assert.strictEqual((yield* Fiber.join(running)).exitCode, 0)
        }),
      ),
  )

  onEngine("tell when another program last used the sandbox", () =>
    shared((session, id) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ name: "box", network: "none" })
        yield* elsewhere(id, (other) =>
          Effect.flatMap(other.get("box"), (same) => same.exec("true")),
        )
        yield* Effect.sleep("50 millis")
        const { busy, unusedElsewhereFor } = yield* sandbox.inspect
        assert.isFalse(busy)
        assert.isAtLeast(unusedElsewhereFor ?? 0, 50)
      }),
    ),
  )

  onEngine("are tried again after one failed to open", () =>
    shared((session, id) =>
      Effect.gen(function* () {
        yield* session.create({ name: "box", network: "none" })
        let failures = 1
        const broken = Layer.effect(
          DockerEngine,
          Effect.map(DockerEngine, (real) =>
            DockerEngine.of({
              ...real,
              execStart: (...asked) =>
                failures-- > 0
                  ? Effect.fail(
                      new EngineUnreachable({ endpoint: "x", reason: "the test says so" }),
                    )
                  : real.execStart(...asked),
            }),
          ),
        ).pipe(Layer.provide(localEngine(socketPath)))
        yield* elsewhere(
          id,
          (other) =>
            Effect.gen(function* () {
              const same = yield* other.get("box")
              // The first try is to see who uses it, and may fail.
              assert.strictEqual((yield* same.exec("true")).exitCode, 0)
              assert.isAtMost(failures, 0)
            }),
          broken,
        )
      }),
    ),
  )

  onEngine("are opened again when another program restarted the sandbox", () =>
    shared((session, id) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ name: "box", network: "none" })
        yield* sandbox.files.write("kept", "yes")
        yield* elsewhere(id, (other) =>
          Effect.gen(function* () {
            const same = yield* other.get("box")
            yield* same.stop
            yield* same.start
            assert.strictEqual(yield* textOf(same, "cat kept"), "yes")
          }),
        )
        // The news of the end may take a moment.
        const read = Effect.retry(textOf(sandbox, "cat kept"), {
          schedule: Schedule.spaced("100 millis"),
          times: 20,
        })
        assert.strictEqual(yield* read, "yes")
      }),
    ),
  )

  onEngine(
    "answer after a start although a program died between its attachment and its start",
    () =>
      withSession((session) =>
        Effect.gen(function* () {
          const sandbox = yield* session.create({ name: "box", network: "none" })
          yield* sandbox.files.write("kept", "yes")
          yield* sandbox.stop
          yield* Effect.promise(async () => {
            const streams = { stream: true, stdin: true, stdout: true, stderr: true, hijack: true }
            const attachment = await engine.getContainer(sandbox.info.instanceId).attach(streams)
            attachment.end()
          })
          // The engine tells nobody that it has closed the input.
          yield* Effect.sleep("200 millis")
          yield* sandbox.start
          // Without an answer, the timeout ends the command before the silence is detected.
          const { stdout } = yield* sandbox.run("cat kept", { timeout: "8 seconds" })
          assert.strictEqual(stdout, "yes")
        }),
      ),
  )

  onEngine("reach only our init, whatever code inside put at its path before a start", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ network: "none" })
        yield* sandbox.run("rm /.cordon/init && ln -s /bin/false /.cordon/init")
        assert.strictEqual(yield* textOf(sandbox, "echo on"), "on")
        yield* sandbox.stop
        yield* sandbox.start
        assert.strictEqual(yield* textOf(sandbox, "echo on"), "on")
        yield* sandbox.run("rm -r /.cordon && ln -s /etc /.cordon")
        yield* sandbox.stop
        yield* sandbox.start
        assert.strictEqual(yield* textOf(sandbox, "echo on; ls /etc/init || true"), "on")
      }),
    ),
  )

  onEngine("fail when a file of the sandbox would make the engine wait for ever", () =>
    shared((session, id) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ name: "box", network: "none" })
        yield* sandbox.run("rm /etc/group && mkfifo /etc/fifo && ln -s fifo /etc/group")
        // A program that is connected notices nothing.
        assert.strictEqual(yield* textOf(sandbox, "echo on"), "on")
        yield* elsewhere(id, (other) =>
          Effect.gen(function* () {
            const error = yield* Effect.flip((yield* other.get("box")).exec("true"))
            assert.include(error.message, "/etc/group is no longer a regular file")
          }),
        )
        yield* sandbox.stop
        const error = yield* Effect.flip(sandbox.start)
        assert.include(error.message, "/etc/group is no longer a regular file")
        yield* sandbox.remove
      }),
    ),
  )

  onEngine(
    "keep the sandbox's user in a snapshot, though the container runs the init as root",
    () =>
      withSession((session) =>
        Effect.gen(function* () {
          const sandbox = yield* session.create({ network: "none", user: "1234:1234" })
          yield* sandbox.snapshot("kept")
          yield* Effect.addFinalizer(() => Effect.ignore(session.snapshots.remove("kept")))
          const fork = yield* session.create({ network: "none", snapshot: "kept" })
          assert.strictEqual(yield* textOf(fork, "id -u"), "1234")
          yield* fork.remove
        }).pipe(Effect.scoped),
      ),
  )

  onEngine("end a running command with exit code 137 when the container is killed", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ network: "none" })
        const running = yield* Effect.forkChild(sandbox.exec("sleep 1000"))
        yield* Effect.sleep("500 millis")
        const { Id } = yield* containerOf(sandbox)
        yield* Effect.promise(() => engine.getContainer(Id).kill())
        assert.strictEqual((yield* Fiber.join(running)).exitCode, 137)
      }),
    ),
  )
})
