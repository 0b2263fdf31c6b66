import type { Feature, Terminal, TerminalRequest, TerminalSize } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Stream } from "effect"
import { capable, sessionWith } from "../support/capableDriver.ts"
import { given } from "../support/given.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

describe("A terminal", () => {
  const opened = Effect.gen(function* () {
    const asked: Array<TerminalRequest> = []
    const typed: Array<string> = []
    const sizes: Array<TerminalSize> = []
    const terminal: Terminal = {
      output: Stream.make(bytes("shown")),
      write: (bytes) => Effect.sync(() => void typed.push(Buffer.from(bytes).toString())),
      resize: (size) => Effect.sync(() => void sizes.push(size)),
      exit: Effect.succeed(4),
    }
    const session = yield* sessionWith((driver) => ({
      ...capable(driver),
      terminal: (_, request) => {
        asked.push(request)
        return Effect.succeed(terminal)
      },
    }))
    return { sandbox: yield* session.create({ workdir: "/work" }), asked, typed, sizes }
  })

  it.live("runs a shell of 80 columns and 24 rows by default, or the given command and size", () =>
    Effect.gen(function* () {
      const { sandbox, asked } = yield* opened
      yield* sandbox.terminal()
      const size = { columns: 100, rows: 30 }
      yield* sandbox.terminal({ command: ["top"], size, cwd: "sub", env: { A: "1" }, user: "me" })
      const timeout = Duration.minutes(2)
      assert.deepInclude(asked[0], { size: { columns: 80, rows: 24 } })
      assert.match(String(asked[0]?.command), /exec bash.*exec sh/)
      assert.deepStrictEqual(given(asked[1] ?? {}), {
        command: ["top"],
        size,
        cwd: "/work/sub",
        env: { A: "1" },
        user: "me",
        timeout,
      })
      const none = { columns: 0, rows: 30 }
      assert.strictEqual(
        (yield* Effect.flip(sandbox.terminal({ size: none })))._tag,
        "InvalidInput",
      )
      assert.strictEqual(asked.length, 2)
    }).pipe(Effect.scoped),
  )

  it.live("shows output, accepts text and bytes, and can be resized", () =>
    Effect.gen(function* () {
      const { sandbox, typed, sizes } = yield* opened
      const terminal = yield* sandbox.terminal()
      yield* terminal.write("é")
      yield* terminal.write(bytes("\x03"))
      assert.strictEqual((yield* Effect.flip(terminal.write("\ud800")))._tag, "InvalidInput")
      assert.deepStrictEqual(typed, ["é", "\x03"])
      yield* terminal.resize({ columns: 1, rows: 2 })
      const wrong = yield* Effect.flip(terminal.resize({ columns: 1, rows: 0.5 }))
      assert.strictEqual(wrong._tag, "InvalidInput")
      assert.deepStrictEqual(sizes, [{ columns: 1, rows: 2 }])
      const shown = yield* Stream.runCollect(terminal.output)
      assert.strictEqual(Buffer.concat(shown).toString(), "shown")
      assert.strictEqual(yield* terminal.exit, 4)
    }).pipe(Effect.scoped),
  )
})

describe("A feature that a driver lacks", () => {
  it.live("fails with Unsupported before the driver is called", () =>
    Effect.gen(function* () {
      const features: ReadonlyArray<Feature> = []
      const session = yield* sessionWith((driver) => ({
        capabilities: Effect.map(driver.capabilities, (all) => ({ ...all, features })),
        exec: () => Stream.die("was asked"),
        terminal: () => Effect.die("was asked"),
      }))
      const sandbox = yield* session.create()
      const calls: ReadonlyArray<readonly [Feature, Effect.Effect<unknown, unknown>]> = [
        ["terminals", Effect.scoped(sandbox.terminal())],
        ["processes", sandbox.processes.list],
        ["ports", sandbox.ports.list],
        ["stats", sandbox.stats],
        ["git", sandbox.git.clone("https://example.com/p")],
      ]
      for (const [feature, call] of calls) {
        const error = yield* Effect.flip(call)
        assert.deepInclude(error, { _tag: "Unsupported", feature, driver: "memory" })
      }
    }).pipe(Effect.scoped),
  )
})

describe("Pausing and resuming", () => {
  it.live("call the driver", () =>
    Effect.gen(function* () {
      const done: Array<string> = []
      const session = yield* sessionWith(() => ({
        pause: () => Effect.sync(() => void done.push("pause")),
        resume: () => Effect.sync(() => void done.push("resume")),
      }))
      const sandbox = yield* session.create()
      yield* sandbox.pause
      yield* sandbox.resume
      assert.deepStrictEqual(done, ["pause", "resume"])
    }).pipe(Effect.scoped),
  )
})
