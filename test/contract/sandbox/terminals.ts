import type { SandboxTerminal } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { tagOf, until } from "../../support/effects.ts"
import { makeSandbox, running } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

/** What a terminal shows, gathered as it comes. */
const watch = (terminal: SandboxTerminal) =>
  Effect.gen(function* () {
    const seen = { text: "" }
    const fiber = yield* terminal.output.pipe(
      Stream.decodeText,
      Stream.runForEach((text) =>
        Effect.sync(() => {
          seen.text += text
        }),
      ),
      Effect.forkScoped,
    )
    const shows = (pattern: RegExp) => until(Effect.sync(() => pattern.test(seen.text)))
    return { seen, shows, done: Fiber.join(fiber) }
  })

/** Terminals. */
export const terminalsContract = ({ check, lacks }: FeatureStage) =>
  describe("terminals", () => {
    check(
      "a terminal has its size before its command looks",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const size = { columns: 111, rows: 33 }
          // Often, since what comes too late comes in time at times.
          for (const command of ["stty size", ["stty", "size"]] as const) {
            for (let round = 0; round < 5; round++) {
              const { seen, done } = yield* watch(yield* sandbox.terminal({ command, size }))
              yield* done
              assert.strictEqual(seen.text, "33 111\r\n")
            }
          }
        }),
      lacks.terminals,
    )

    check(
      "a command in a terminal sees its size, its environment and the end of its input",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const terminal = yield* sandbox.terminal({
            command:
              '[ -t 0 ] && [ -t 1 ] && echo "tty $TERM $A"; pwd; while read -r line; do echo "got $line"; stty size; done; echo over; exit 4',
            size: { columns: 111, rows: 33 },
            env: { A: "own" },
            cwd: "/tmp",
          })
          const { seen, shows, done } = yield* watch(terminal)
          yield* shows(/tty xterm-256color own\r\n\/tmp\r\n/)
          yield* until(
            Effect.gen(function* () {
              yield* terminal.write("size\n")
              yield* Effect.sleep("100 millis")
              return /got size\r\n33 111\r\n/.test(seen.text)
            }),
          )
          yield* terminal.resize({ columns: 99, rows: 22 })
          yield* terminal.write("again\n")
          yield* shows(/got again\r\n22 99\r\n/)
          yield* terminal.write("\x04")
          yield* done
          assert.match(seen.text, /over\r\n$/)
          assert.strictEqual(yield* terminal.exit, 4)
          assert.strictEqual(yield* tagOf(terminal.resize({ columns: 0, rows: 1 })), "InvalidInput")
        }),
      lacks.terminals,
    )

    check(
      "a terminal opens a shell, passes on control characters, and leaves no process behind",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const sleeping = running(sandbox, "^sleep 71")
          yield* Effect.scoped(
            Effect.gen(function* () {
              const terminal = yield* sandbox.terminal()
              const { shows } = yield* watch(terminal)
              yield* terminal.write("echo $((40 + 2)); sleep 7101\n")
              yield* shows(/[\r\n]42\r\n/)
              yield* until(Effect.map(sleeping, (count) => count === 1))
              yield* terminal.write("\x03")
              yield* until(Effect.map(sleeping, (count) => count === 0))
              yield* terminal.write("sleep 7102 & (setsid sleep 7103 &)\n")
              yield* until(Effect.map(sleeping, (count) => count === 2))
            }),
          )
          assert.strictEqual(yield* sleeping, 0)
          for (const options of [{ cwd: "/no/such" }, { cwd: "x\0" }]) {
            const refused = Effect.scoped(sandbox.terminal(options))
            assert.strictEqual(yield* tagOf(refused), "InvalidPath")
          }
          const nobody = Effect.scoped(sandbox.terminal({ user: "nobody-here" }))
          assert.strictEqual(yield* tagOf(nobody), "InvalidInput")
          yield* sandbox.stop
          assert.strictEqual(yield* tagOf(Effect.scoped(sandbox.terminal())), "SandboxNotRunning")
        }),
      lacks.terminals,
    )
  })
