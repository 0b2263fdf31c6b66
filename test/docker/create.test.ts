import type { SandboxSession } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { engine, needing, onEngine, ownedBy, textOf, withSession } from "./support.ts"

describe("create on a real engine", () => {
  onEngine(
    "leaves nothing behind whenever it is interrupted",
    () =>
      withSession((session) =>
        Effect.gen(function* () {
          const done = yield* session.create({ name: "probe" })
          yield* done.remove
          // A creation takes most of a second here: interrupt it again and again on its way.
          for (let delay = 0; delay <= 900; delay += 30) {
            const fiber = yield* Effect.forkChild(session.create({ name: "probe" }))
            yield* Effect.sleep(delay)
            yield* Fiber.interrupt(fiber)
            const exit = yield* Fiber.await(fiber)
            if (exit._tag === "Success") yield* exit.value.remove
            assert.deepStrictEqual(
              yield* Effect.promise(() => ownedBy(done.id)),
              { containers: 0, networks: 0 },
              `after ${delay} ms`,
            )
          }
        }),
      ),
    180_000,
  )

  onEngine("refuses a name that is already taken", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const results = yield* Effect.forEach(
          [1, 2, 3, 4],
          () => Effect.result(session.create({ name: "one" })),
          { concurrency: "unbounded" },
        )
        const failures = results.flatMap((result) =>
          result._tag === "Failure" ? [result.failure._tag] : [],
        )
        assert.deepStrictEqual(failures, [
          "SandboxNameTaken",
          "SandboxNameTaken",
          "SandboxNameTaken",
        ])
        const sandbox = yield* session.get("one")
        assert.strictEqual(yield* textOf(sandbox, "echo works"), "works")
        assert.deepStrictEqual(yield* Effect.promise(() => ownedBy(sandbox.id)), {
          containers: 1,
          networks: 1,
        })
      }),
    ),
  )

  onEngine(
    "makes 60 sandboxes with networks at once, more than the engine's own address pools allow",
    () =>
      withSession(
        (session) =>
          Effect.gen(function* () {
            const sandboxes = yield* Effect.forEach(
              Array.from({ length: 60 }, (_, n) => `box-${n}`),
              (name) => session.create({ name, limits: { memory: "64MiB", cpus: 0.1, pids: 32 } }),
              { concurrency: 4 },
            )
            const [first] = sandboxes
            assert.isDefined(first)
            assert.deepStrictEqual(yield* Effect.promise(() => ownedBy(first.id)), {
              containers: 60,
              networks: 60,
            })
            const answers = yield* Effect.forEach(sandboxes, (box) => textOf(box, "hostname -i"), {
              concurrency: 4,
            })
            assert.strictEqual(new Set(answers).size, 60)
            yield* Effect.forEach(sandboxes, (box) => box.remove, { concurrency: 4 })
            assert.deepStrictEqual(yield* Effect.promise(() => ownedBy(first.id)), {
              containers: 0,
              networks: 0,
            })
          }),
        { maxSandboxes: 60 },
      ),
    300_000,
  )

  needing(
    "CORDON_TEST_REGISTRY",
    "pulls an image that is missing, and reports the progress",
    (registry) => {
      const remote = `${registry}/cordon/busybox:1`
      const allow = { registries: [registry, "127.0.0.1:9"] }
      const pulls = (session: SandboxSession) =>
        Effect.gen(function* () {
          yield* Effect.promise(() =>
            engine
              .getImage(remote)
              .remove({ force: true })
              .catch(() => undefined),
          )
          const steps: Array<string> = []
          const sandbox = yield* session.create({ image: remote }, (progress) =>
            Effect.sync(() => void steps.push(progress.status)),
          )
          assert.isNotEmpty(steps)
          assert.isTrue(
            steps.some((step) => /pull|download/i.test(step)),
            steps.join(),
          )
          assert.strictEqual(yield* textOf(sandbox, "echo $0"), "/bin/sh")
          const missing = yield* Effect.flip(session.create({ image: `${registry}/cordon/none:9` }))
          assert.strictEqual(missing._tag, "ImageNotFound")
          const dead = yield* Effect.flip(session.create({ image: "127.0.0.1:9/x/y:1" }))
          assert.strictEqual(dead._tag, "ImagePullFailed")
        })
      return withSession(pulls, { allow })
    },
  )

  needing("CORDON_TEST_NOSHELL_IMAGE", "accepts an image with one static program", (noShell) =>
    withSession((session) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ image: noShell })
        assert.strictEqual((yield* sandbox.exec(["/bin/sleep", "0"])).exitCode, 0)
        yield* sandbox.files.write("note", "kept")
        assert.strictEqual(yield* sandbox.files.readText("note"), "kept")
        const script = yield* sandbox.exec("true")
        assert.deepInclude(script, { exitCode: 127, stderr: "/bin/sh: not found\n" })
        const { processes } = sandbox
        const process = yield* processes.start(["/bin/sleep", "1000"], { name: "sleeper" })
        assert.strictEqual((yield* process.inspect).status, "running")
        yield* process.kill()
        assert.strictEqual(yield* process.wait, 143)
        const refused = yield* Effect.flip(processes.start("true"))
        assert.deepInclude(refused, { _tag: "ProcessNotStarted", why: "notFound" })
      }),
    ),
  )

  onEngine("refuses a runtime that the engine does not have", () =>
    withSession((session, sandboxes) =>
      Effect.gen(function* () {
        const offered = (yield* sandboxes.capabilities).runtimes.map(({ runtime }) => runtime)
        const { Runtimes = {} } = yield* Effect.promise(() => engine.info())
        assert.include(offered, "runc")
        assert.strictEqual(offered.includes("gvisor"), "runsc" in Runtimes)
        for (const runtime of ["kata", "sysbox-runc"] as const) {
          if (offered.includes(runtime)) continue
          const error = yield* Effect.flip(session.create({ runtime }))
          assert.strictEqual(error._tag, "RuntimeUnavailable")
          assert.match(error.message, /offers: .*runc/)
        }
      }),
    ),
  )
})
