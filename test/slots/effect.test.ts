import { randomUUID } from "node:crypto"
import { type Sandbox, Sandboxes } from "@cordon/core"
import { effectSandbox } from "@cordon/slots/effect"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option, type Path, type Scope, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { mend } from "../../examples/slots/effect.ts"
import { image, until, worlds } from "./suite.ts"

type Services = FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner

const bytes = (text: string) => new TextEncoder().encode(text)
const textOf = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) =>
  Stream.mkString(Stream.decodeText(stream))

/** A shell script whose first line of output says that it has begun. */
const script = (text: string) => ChildProcess.make("sh", ["-c", text])
const begun = (handle: ChildProcessSpawner.ChildProcessHandle) => Stream.runHead(handle.stdout)

const sleepers =
  "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep '^sleep 600'; done; true"

for (const { name, driver, runtime, missing } of worlds) {
  describe(`effect on ${name}`, () => {
    const test = <E>(
      title: string,
      body: (sandbox: Sandbox) => Effect.Effect<void, E, Services | Scope.Scope>,
      lack?: string,
    ) =>
      it(title, async (ctx) => {
        const why = missing ?? lack
        if (why !== undefined) return ctx.skip(why)
        const settings = { image, ...(runtime && { runtime }) }
        await Effect.gen(function* () {
          const sandboxes = yield* Sandboxes
          const session = yield* sandboxes.session(randomUUID())
          const sandbox = yield* Sandboxes.scoped(session, { workdir: "/workspace" })
          yield* Effect.scoped(body(sandbox)).pipe(Effect.provide(effectSandbox(sandbox)))
        }).pipe(
          Effect.scoped,
          Effect.provide(Layer.provide(Sandboxes.layer(settings), driver())),
          Effect.runPromise,
        )
      })
    const live = name === "memory" ? "the memory driver has no processes" : undefined

    test("runs a program that uses only Effect's own services", () =>
      Effect.gen(function* () {
        const { reports, names, lines, code } = yield* mend
        assert.deepStrictEqual(reports, ["expected 5, got -1\n", "passed\n"])
        assert.deepStrictEqual([names, lines, code], [["check.sh", "sum.sh"], ["1"], 0])
        const fs = yield* FileSystem.FileSystem
        assert.isEmpty(yield* fs.readDirectory("/workspace"))
      }))

    test("gives Effect's FileSystem the behaviour of a local one", () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        yield* fs.makeDirectory("from/in", { recursive: true, mode: 0o750 })
        yield* fs.writeFileString("from/in/.hidden", "1")
        yield* fs.writeFileString("from/file", "12345", { mode: 0o600 })
        yield* fs.symlink("file", "from/link")
        yield* fs.copy("from", "to", { preserveTimestamps: true })
        const found = yield* fs.readDirectory("to", { recursive: true })
        assert.sameMembers(found, ["file", "in", "in/.hidden", "link"])
        assert.strictEqual((yield* fs.stat("to/link")).mode & 0o777, 0o600)
        assert.strictEqual((yield* fs.lstat("to/link")).type, "SymbolicLink")
        assert.strictEqual(yield* fs.realPath("to/link"), "/workspace/to/file")
        yield* fs.utimes("to/file", 1_000_000, new Date(2_000_000_000))
        const { mtime } = yield* fs.stat("to/file")
        assert.deepStrictEqual(Option.getOrThrow(mtime), new Date(2_000_000_000))
        const file = yield* fs.open("to/file", { flag: "r+" })
        yield* file.seek(3n, "start")
        yield* file.writeAll(bytes("--"))
        yield* file.writeAll(bytes("67"))
        yield* fs.truncate("to/file", 6)
        assert.strictEqual(yield* fs.readFileString("to/file"), "123--6")
        yield* Stream.run(Stream.make(bytes("a"), bytes("b")), fs.sink("to/file", { flag: "a" }))
        assert.strictEqual(yield* textOf(fs.stream("to/file", { offset: 5 })), "6ab")
        const taken = yield* Effect.flip(fs.writeFileString("to/file", "", { flag: "wx" }))
        assert.strictEqual(taken.reason._tag, "AlreadyExists")
        const events = fs.watch("to", {
          onReady: () => Effect.runFork(fs.writeFileString("to/new", "")),
        })
        assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(events, 1)), [
          { _tag: "Create", path: "new" },
        ])
        yield* fs.rename("to", "moved")
        yield* fs.remove("moved", { recursive: true })
        assert.deepStrictEqual(yield* fs.readDirectory("."), ["from"])
      }))

    test(
      "sends input to running commands, and separates their outputs",
      () =>
        Effect.gen(function* () {
          const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
          const echo = yield* ChildProcess.make(
            "sh",
            ["-c", "while read line; do echo got $line; done; echo end >&2; exit 4"],
            { stdin: { stream: "pipe", endOnDone: false } },
          )
          yield* Stream.run(Stream.succeed(bytes("one\n")), echo.stdin)
          assert.deepStrictEqual(yield* begun(echo), Option.some(bytes("got one\n")))
          assert.isTrue(yield* echo.isRunning)
          assert.isAbove(echo.pid, 1)
          yield* echo.kill()
          assert.strictEqual(yield* echo.exitCode, 143)

          const sorted = yield* script("sort; echo end >&2; exit 4")
          yield* Stream.run(Stream.make(bytes("b\n"), bytes("a\n")), sorted.stdin)
          assert.strictEqual(yield* textOf(sorted.stdout), "a\nb\n")
          assert.strictEqual(yield* textOf(sorted.stderr), "end\n")
          assert.strictEqual(yield* sorted.exitCode, 4)

          const all = yield* spawner.string(ChildProcess.make("seq", ["1", "400000"]))
          assert.strictEqual(all.length, 2688895)
          const endless = ChildProcess.make("yes").pipe(
            ChildProcess.pipeTo(ChildProcess.make("head", ["-n", "2"])),
          )
          assert.deepStrictEqual(yield* spawner.lines(endless), ["y", "y"])
          const without = ChildProcess.make("sh", ["-c", `echo "[$HOME]"`], {
            env: { HOME: undefined },
          })
          assert.strictEqual(yield* spawner.string(without), "[]\n")
        }),
      live,
    )

    test(
      "gives the reason why a command did not start",
      () =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
          yield* fs.writeFileString("plain", "", { mode: 0o644 })
          const tags = yield* Effect.forEach(
            [
              ChildProcess.make("nothing-of-that-name"),
              ChildProcess.make("cd"),
              ChildProcess.make("./none"),
              ChildProcess.make("./plain"),
              ChildProcess.make("true", [], { cwd: "none" }),
            ],
            (command) =>
              Effect.map(Effect.flip(spawner.exitCode(command)), ({ reason }) => reason._tag),
          )
          const lost = "NotFound"
          assert.deepStrictEqual(tags, [lost, lost, lost, "PermissionDenied", lost])
        }),
      live,
    )

    test(
      "signals commands, and kills them with all they started when their scope closes",
      (sandbox) =>
        Effect.gen(function* () {
          const loop = "echo ready; while :; do sleep 0.1; done"
          for (const [signal, code] of [
            ["SIGTERM", 7],
            ["SIGUSR1", 8],
          ] as const) {
            const asked = yield* script(`trap 'exit 7' TERM; trap 'exit 8' USR1; ${loop}`)
            yield* begun(asked)
            yield* asked.kill({ killSignal: signal })
            assert.strictEqual<number>(yield* asked.exitCode, code)
          }
          const deaf = yield* script(`trap '' TERM; ${loop}`)
          yield* begun(deaf)
          yield* deaf.kill({ forceKillAfter: 100 })
          assert.isFalse(yield* deaf.isRunning)
          assert.strictEqual(yield* deaf.exitCode, 137)
          const stubborn = ChildProcess.make("sh", ["-c", `trap '' TERM; ${loop}`], {
            forceKillAfter: 100,
          })
          const left = yield* Effect.scoped(Effect.tap(stubborn, begun))
          assert.strictEqual(yield* left.exitCode, 137)
          yield* Effect.scoped(Effect.flatMap(script("sleep 600 & echo ready; wait"), begun))
          yield* Effect.scoped(
            Effect.flatMap(script("(trap '' TERM; sleep 600) & echo ready; wait"), begun),
          )
          const none = Effect.map(sandbox.run(sleepers), ({ stdout }) => stdout === "")
          yield* Effect.promise(() => until(() => Effect.runPromise(none)))
          const unknown = yield* script(loop)
          const { reason } = yield* Effect.flip(unknown.kill({ killSignal: "SIGLOST" }))
          assert.match(reason.message, /SIGLOST/)
        }),
      live,
    )
  })
}
