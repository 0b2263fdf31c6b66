import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, PlatformError, Redacted, Sink, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { Outputs } from "../src/effect/outputs.ts"
import { bytes, failure, tagOf, test, textOf } from "./effectProgram.ts"

describe("commands of an Effect program", () => {
  test("have arguments, a folder and variables, and nothing of this machine's environment", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      yield* fs.makeDirectory("~")
      const shown = `pwd; echo "$A $B $HOME $1"`
      const command = ChildProcess.make("sh", ["-c", shown, "sh", "a 'b' $c"], {
        cwd: "~",
        env: { A: "1", B: Redacted.make("2") },
        extendEnv: true,
      })
      assert.strictEqual(yield* spawner.string(command), "/workspace/~\n1 2 /root a 'b' $c\n")
      const script = ChildProcess.make("echo one; echo two >&2; exit 3", { shell: true })
      assert.deepStrictEqual(yield* spawner.lines(script, { includeStderr: true }), ["one", "two"])
      assert.strictEqual(yield* spawner.exitCode(script), 3)
    }))

  test("have separate outputs, and input from a stream or sink", () =>
    Effect.gen(function* () {
      const input = Stream.make(bytes("one\n"), bytes("two\n"))
      const read = "while read line; do echo got $line; done; echo end >&2; exit 4"
      const given = yield* ChildProcess.make("sh", ["-c", read], { stdin: input })
      assert.strictEqual(yield* textOf(given.stdout), "got one\ngot two\n")
      assert.strictEqual(yield* textOf(given.stderr), "end\n")
      assert.strictEqual(yield* given.exitCode, 4)
      assert.isFalse(yield* given.isRunning)
      const fed = yield* ChildProcess.make("sh", ["-c", read])
      yield* Stream.run(input, fed.stdin)
      assert.strictEqual(yield* textOf(fed.all), "got one\ngot two\nend\n")
      const empty = yield* ChildProcess.make("cat")
      assert.strictEqual(yield* textOf(empty.stdout), "")
      const ignored = yield* ChildProcess.make("sh", ["-c", "echo a; echo b >&2"], {
        stdin: "ignore",
        stdout: "ignore",
        stderr: {
          stream: Sink.map(Sink.collect<Uint8Array>(), (all) =>
            bytes(`${Buffer.concat(all).length}`),
          ),
        },
      })
      assert.strictEqual(yield* textOf(ignored.all), "2")
    }))

  test("are piped into each other", () =>
    Effect.gen(function* () {
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const both = ChildProcess.make("sh", ["-c", "echo b; echo a; echo c >&2"])
      const sort = ChildProcess.make("sort")
      const upper = ChildProcess.make("tr", ["a-z", "A-Z"])
      const piped = (from: ChildProcess.PipeFromOption) =>
        spawner.lines(both.pipe(ChildProcess.pipeTo(sort, { from }), ChildProcess.pipeTo(upper)))
      assert.deepStrictEqual(yield* piped("stdout"), ["A", "B"])
      assert.deepStrictEqual(yield* piped("stderr"), ["C"])
      assert.deepStrictEqual(yield* piped("all"), ["A", "B", "C"])
      assert.strictEqual(yield* tagOf(piped("fd3")), "BadArgument")
    }))

  test("that can't start fail with the reason, and repeat no secret", () =>
    Effect.gen(function* () {
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const secret = Redacted.make("hunter2\0")
      const refused = (
        command: string,
        args: ReadonlyArray<string | Redacted.Redacted<string>> = [],
        options: ChildProcess.CommandOptions = {},
      ) => failure(spawner.exitCode(ChildProcess.make(command, args, options)))
      const missing = yield* refused("nothing-of-that-name", ["-x"])
      assert.strictEqual(missing._tag, "NotFound")
      assert.match(missing.message, /nothing-of-that-name/)
      assert.strictEqual((yield* refused("./none"))._tag, "NotFound")
      assert.strictEqual((yield* refused("true", [], { cwd: "none" }))._tag, "NotFound")
      for (const { _tag, message } of [
        yield* refused("cat", [secret]),
        yield* refused("cat", [], { env: { A: secret } }),
        yield* refused("cat", [], { env: { "A-B": Redacted.make("hunter2") } }),
        yield* refused("cat", ["x"], { shell: true }),
        yield* refused(""),
        yield* refused("cat", [], { stdin: "inherit" }),
        yield* refused("cat", [], { additionalFds: { fd3: { type: "output" } } }),
      ]) {
        assert.strictEqual(_tag, "BadArgument")
        assert.notInclude(message, "hunter2")
      }
      const handle = yield* ChildProcess.make("true")
      assert.strictEqual(yield* tagOf(handle.unref), "BadArgument")
    }))

  test("are killed by kill() and with their scope, and fail when their input fails", () =>
    Effect.gen(function* () {
      const handle = yield* ChildProcess.make("sleep", ["600"])
      assert.isTrue(yield* handle.isRunning)
      yield* handle.kill()
      yield* handle.kill()
      assert.strictEqual(yield* handle.exitCode, 137)
      assert.strictEqual(yield* textOf(handle.all), "")
      const kept = yield* Effect.scoped(ChildProcess.make("sleep", ["600"]))
      assert.strictEqual(yield* kept.exitCode, 137)
      const wrong = PlatformError.systemError({ _tag: "Busy", module: "Test", method: "test" })
      const fed = yield* ChildProcess.make("cat", [], { stdin: Stream.fail(wrong) })
      assert.strictEqual(yield* tagOf(fed.exitCode), "Busy")
    }))
})

describe("outputs of an Effect command", () => {
  it("wait for each output's reader, until no reader will come", async () => {
    const outputs = new Outputs()
    const push = (_tag: "Stdout" | "Stderr") =>
      Effect.runFork(outputs.push({ _tag, bytes: new Uint8Array(1024 ** 2) }))
    assert.isDefined(push("Stdout").pollUnsafe())
    const waiting = push("Stdout")
    assert.isUndefined(waiting.pollUnsafe())
    assert.isDefined(push("Stderr").pollUnsafe())
    await Effect.runPromise(Stream.runDrain(Stream.take(outputs.read("Stdout"), 1)))
    assert.isDefined(waiting.pollUnsafe())
    const dropped = push("Stdout")
    assert.isUndefined(dropped.pollUnsafe())
    outputs.leave()
    assert.isDefined(dropped.pollUnsafe())
  })
})
