import { ExecEvent, type ExecOptions, type ExecRequest } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted, Stream } from "effect"
import { commanded, exit } from "../support/capableDriver.ts"
import { given } from "../support/given.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const output = (text: string) => ExecEvent.Stdout({ bytes: bytes(text) })

/** What standard input is fed with. */
const fed = ({ stdin = Stream.empty }: ExecRequest) =>
  Effect.map(Stream.runCollect(stdin), (pieces) => Buffer.concat(pieces).toString())

describe("A command", () => {
  it.live("reaches the driver with the given options and defaults, and nothing else", () =>
    Effect.gen(function* () {
      const { sandbox, asked } = yield* commanded()
      yield* sandbox.exec("true")
      yield* sandbox.exec(["a", "b"], {
        cwd: "sub",
        env: { A: "1" },
        user: "me",
        timeout: "5 seconds",
      })
      yield* sandbox.exec("true", { timeout: "Infinity" })
      yield* Stream.runDrain(sandbox.execStream("streamed"))
      assert.deepStrictEqual(asked.map(given), [
        { command: "true", env: {}, timeout: Duration.minutes(2) },
        {
          command: ["a", "b"],
          cwd: "/work/sub",
          env: { A: "1" },
          user: "me",
          timeout: Duration.seconds(5),
        },
        { command: "true", env: {} },
        { command: "streamed", env: {}, timeout: Duration.minutes(2) },
      ])
    }).pipe(Effect.scoped),
  )

  it.live("reads text, bytes and streams from standard input", () =>
    Effect.gen(function* () {
      const { sandbox, asked } = yield* commanded()
      for (const stdin of ["text", bytes("text"), Stream.make(bytes("te"), bytes("xt"))]) {
        yield* sandbox.exec("cat", { stdin })
      }
      for (const request of asked) assert.strictEqual(yield* fed(request), "text")
    }).pipe(Effect.scoped),
  )

  it.live("gets the secrets of its sandbox, unless its own variables have their names", () =>
    Effect.gen(function* () {
      const { session, asked } = yield* commanded()
      const secrets = { TOKEN: Redacted.make("t") }
      const sandbox = yield* session.create({ secrets })
      yield* sandbox.exec("true")
      yield* sandbox.exec("true", { env: { A: "1", TOKEN: "own" } })
      yield* (yield* session.get(sandbox.name)).exec("true")
      yield* session.get(sandbox.name, { secrets: { TOKEN: "new" } })
      yield* sandbox.exec("true")
      assert.deepStrictEqual(
        asked.map(({ env }) => env),
        [{ TOKEN: "t" }, { TOKEN: "own", A: "1" }, { TOKEN: "t" }, { TOKEN: "new" }],
      )
    }).pipe(Effect.scoped),
  )

  it.live("that is invalid is refused before the driver is called", () =>
    Effect.gen(function* () {
      const { sandbox, asked } = yield* commanded()
      const wrong: ReadonlyArray<readonly [ExecRequest["command"], ExecOptions, RegExp]> = [
        ["", {}, /empty/],
        [" \n", {}, /empty/],
        [["", "x"], {}, /empty/],
        ["a\0", {}, /NUL/],
        [["a", "b", "c\0"], {}, /NUL/],
        [JSON.parse("[]"), {}, /empty/],
        ["\ud800", {}, /surrogate/],
        [["a", "\ud800"], {}, /surrogate/],
        ["é".repeat(64 * 1024), {}, /128 KiB/],
        [["a", "x".repeat(128 * 1024)], {}, /128 KiB/],
        ["true", { timeout: 0 }, /timeout/],
        ["true", { timeout: -1 }, /timeout/],
        ["true", { timeout: JSON.parse('"soon"') }, /timeout/],
        ["true", { outputLimit: 0 }, /outputLimit/],
        ["true", { outputLimit: 1.5 }, /outputLimit/],
        ["true", { env: { "A=B": "" } }, /env/],
        ["true", { user: "two words" }, /user/],
        ["true", { stdin: "\ud800" }, /stdin/],
      ]
      for (const [command, options, message] of wrong) {
        const error = yield* Effect.flip(sandbox.exec(command, options))
        assert.strictEqual(error._tag, "InvalidInput")
        assert.match(error.message, message)
      }
      assert.deepStrictEqual(asked, [])
      // What is just short enough, or has empty parts after the program's name, runs.
      const long = ["a", "x".repeat(128 * 1024 - 1), ""] as const
      yield* sandbox.exec(long)
      assert.strictEqual(asked.length, 1)
    }).pipe(Effect.scoped),
  )

  it.live("returns output up to the limit of the call, or else of the settings", () =>
    Effect.gen(function* () {
      const { sandbox } = yield* commanded([output("123456"), exit()], { outputLimit: 6 })
      const whole = yield* sandbox.exec("x")
      assert.deepInclude(whole, { stdout: "123456", truncated: false })
      assert.isTrue((yield* sandbox.exec("x", { outputLimit: 5 })).truncated)
    }).pipe(Effect.scoped),
  )

  it.live("passes its output to onOutput as it comes, and not its exit", () =>
    Effect.gen(function* () {
      const { sandbox } = yield* commanded([output("a"), output("b"), exit()])
      const told: Array<string> = []
      const onOutput: NonNullable<ExecOptions["onOutput"]> = ({ _tag, bytes }) =>
        Effect.sync(() => void told.push(`${_tag} ${Buffer.from(bytes)}`))
      yield* sandbox.exec("x", { onOutput })
      assert.deepStrictEqual(told, ["Stdout a", "Stdout b"])
    }).pipe(Effect.scoped),
  )

  it.live("under run() that times out fails with ExecTimedOut, its timeout and its output", () =>
    Effect.gen(function* () {
      const { sandbox } = yield* commanded([
        output("so far"),
        exit({ exitCode: 137, timedOut: true }),
      ])
      assert.isTrue((yield* sandbox.exec("x")).timedOut)
      const error = yield* Effect.flip(sandbox.run("x", { timeout: 1234 }))
      assert.deepInclude(error, { _tag: "ExecTimedOut", timeout: 1234, stdout: "so far" })
    }).pipe(Effect.scoped),
  )

  it.live("under run() that fails gives CommandFailed with its exit code and output", () =>
    Effect.gen(function* () {
      const { sandbox } = yield* commanded([output("why"), exit({ exitCode: 3 })])
      assert.strictEqual((yield* sandbox.exec("x")).exitCode, 3)
      const error = yield* Effect.flip(sandbox.run("x"))
      assert.deepInclude(error, { _tag: "CommandFailed", exitCode: 3, stdout: "why" })
    }).pipe(Effect.scoped),
  )

  it.live("of Cordon itself, as git clone, has the timeout of the settings", () =>
    Effect.gen(function* () {
      for (const [execTimeout, timeout] of [
        ["7 seconds", Duration.seconds(7)],
        ["Infinity", undefined],
      ] as const) {
        const { sandbox, asked } = yield* commanded([exit()], { execTimeout })
        yield* Effect.ignore(sandbox.git.clone("https://example.com/project.git"))
        assert.isAbove(asked.length, 0)
        assert.deepStrictEqual(asked[0]?.timeout, timeout)
      }
    }).pipe(Effect.scoped),
  )
})
