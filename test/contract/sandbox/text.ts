import { assert, describe } from "@effect/vitest"
import { Effect, Schedule, Stream } from "effect"
import { tagOf } from "../../support/effects.ts"
import { makeSandbox } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

/** Text on its way into a sandbox and out of it, on every driver. */
export const textContract = ({ check, lacks }: FeatureStage) => {
  const bom = "\ufeff"
  const half = "a\ud83d"

  describe("text", () => {
    check("text that is read and written back leaves a file unchanged", () =>
      Effect.gen(function* () {
        const { files } = yield* makeSandbox()
        for (const text of [`${bom}a\n`, `${bom}${bom}`, bom, "a\r\nb", "\u{1f600}\0", ""]) {
          yield* files.write("a.csv", text)
          const before = yield* files.read("a.csv")
          assert.deepStrictEqual([...before], [...Buffer.from(text)])
          const read = yield* files.readText("a.csv")
          assert.strictEqual(read, text)
          yield* files.write("a.csv", read)
          assert.deepStrictEqual(yield* files.read("a.csv"), before)
        }
      }),
    )

    check("readText refuses a file that is not UTF-8", () =>
      Effect.gen(function* () {
        const { files } = yield* makeSandbox()
        for (const bytes of [[0xff], [0x61, 0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
          yield* files.write("latin", Uint8Array.from(bytes))
          assert.strictEqual(yield* tagOf(files.readText("latin")), "NotText")
          assert.deepStrictEqual([...(yield* files.read("latin"))], bytes)
        }
      }),
    )

    check("half of a character is refused in contents, paths and commands", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const { files } = sandbox
        yield* files.write("kept", "kept")
        assert.strictEqual(yield* tagOf(files.write("kept", half)), "InvalidInput")
        assert.strictEqual(yield* files.readText("kept"), "kept")
        for (const path of [half, `${half}/b`]) {
          assert.strictEqual(yield* tagOf(files.write(path, "x")), "InvalidPath")
          assert.strictEqual(yield* tagOf(files.list(path)), "InvalidPath")
        }
        assert.strictEqual(yield* tagOf(files.search(half)), "InvalidInput")
        assert.strictEqual(yield* tagOf(sandbox.exec(`echo ${half}`)), "InvalidInput")
        assert.strictEqual(yield* tagOf(sandbox.exec(["echo", half])), "InvalidInput")
        assert.strictEqual(yield* tagOf(sandbox.exec("cat", { stdin: half })), "InvalidInput")
        const env = { A: half }
        assert.strictEqual(yield* tagOf(sandbox.exec("env", { env })), "InvalidInput")
      }),
    )

    check("the output of a command keeps a byte order mark", () =>
      Effect.gen(function* () {
        const { run, files } = yield* makeSandbox()
        yield* files.write("a.csv", `${bom}a\n${bom}b\n`)
        assert.strictEqual((yield* run("cat a.csv")).stdout, `${bom}a\n${bom}b\n`)
        const { matches } = yield* files.search("b")
        assert.deepStrictEqual(
          matches.map(({ text }) => text),
          [`${bom}b`],
        )
      }),
    )

    check(
      "the output of a background process keeps a byte order mark, whatever its name begins with",
      () =>
        Effect.gen(function* () {
          const { processes, files } = yield* makeSandbox({ env: { PATH: "/work:/usr/bin:/bin" } })
          yield* files.write("-x", `#!/bin/sh\nprintf '\\357\\273\\277%s\\n' "$1"\n`, {
            mode: 0o755,
          })
          for (const command of ["-x a", ["-x", "a"]] as const) {
            const process = yield* processes.start(command)
            assert.strictEqual(yield* process.wait, 0)
            assert.strictEqual((yield* process.logs()).stdout, `${bom}a\n`)
          }
        }),
      lacks.processes,
    )

    check(
      "a terminal runs a command that begins with a dash, and refuses half of a character",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox({ env: { PATH: "/work:/usr/bin:/bin" } })
          yield* sandbox.files.write("-x", "#!/bin/sh\necho ran; read line; exit 7\n", {
            mode: 0o755,
          })
          for (const command of ["-x", ["-x"]] as const) {
            const terminal = yield* sandbox.terminal({ command })
            let shown = ""
            yield* terminal.output.pipe(
              Stream.decodeText(),
              Stream.runForEach((text) =>
                Effect.sync(() => {
                  shown += text
                }),
              ),
              Effect.forkScoped,
            )
            yield* Effect.repeat(
              Effect.sync(() => shown.includes("ran")),
              { schedule: Schedule.spaced("50 millis"), until: (ran) => ran },
            )
            assert.strictEqual(yield* tagOf(terminal.write(half)), "InvalidInput")
            yield* terminal.write("\n")
            assert.strictEqual(yield* terminal.exit, 7)
          }
        }),
      lacks.terminals,
    )
  })
}
