import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { holdsForAll, tagOf } from "../../support/effects.ts"
import { type DriverStage, exec, out, write } from "./stage.ts"

/** How a command is started, and what it is started with. */
export const commandsContract = ({ check, make, lacks, runs }: DriverStage) =>
  describe("commands", () => {
    check("stdout, stderr and exit code of a script are kept apart", () =>
      Effect.gen(function* () {
        const id = yield* make()
        const result = yield* exec(
          id,
          "for i in 3 1 2; do echo $i; done | sort > sorted; cat sorted | tr '\\n' ' '; echo oops >&2; exit 5",
        )
        assert.strictEqual(result.stdout, "1 2 3 ")
        assert.strictEqual(result.stderr, "oops\n")
        assert.strictEqual(result.exitCode, 5)
        assert.isFalse(result.timedOut || result.oomKilled || result.truncated)
        const missing = yield* exec(id, "no-such-command")
        assert.strictEqual(missing.exitCode, 127)
        assert.match(missing.stderr, /not found/)
      }),
    )

    check("arguments reach a program unchanged by any shell", () =>
      Effect.gen(function* () {
        const id = yield* make()
        const values = ["a b", "$HOME", "`id`", "'\"", "new\nline", "*", "-n", "", "\\", "é日"]
        for (const value of values) {
          assert.strictEqual(yield* out(id, ["printf", "%s", value]), value)
        }
        const missing = yield* exec(id, ["no-such-program", "x"])
        assert.strictEqual(missing.exitCode, 127)
        const words = fc
          .string({ maxLength: 40 })
          .filter((s) => !s.includes("\0") && s === Buffer.from(s).toString())
        yield* holdsForAll(words, runs, (value) =>
          Effect.map(out(id, ["printf", "%s", value]), (printed) =>
            assert.strictEqual(printed, value),
          ),
        )
      }),
    )

    check("a command has its own folder and environment, and leaves no state to the next", () =>
      Effect.gen(function* () {
        const id = yield* make({ env: { A: "sandbox", B: "kept" } })
        const result = yield* out(id, "pwd; echo $A $B", { cwd: "/tmp", env: { A: "exec" } })
        assert.strictEqual(result, "/tmp\nexec kept\n")
        assert.strictEqual(yield* out(id, "cd /tmp; X=1; pwd"), "/tmp\n")
        assert.strictEqual(yield* out(id, 'pwd; echo "[$X]"'), "/work\n[]\n")
        assert.strictEqual(yield* tagOf(exec(id, "true", { cwd: "/no/such" })), "InvalidPath")
      }),
    )

    check("a command ends while its background process runs on, and can wait for one", () =>
      Effect.gen(function* () {
        const id = yield* make()
        const started = yield* exec(id, "sleep 300 & echo started")
        assert.strictEqual(started.stdout, "started\n")
        assert.deepStrictEqual([started.exitCode, started.timedOut], [0, false])
        const waited = "(sleep 0.3; echo 1 >one) & (exit 3) & wait $!; echo $?; wait; cat one"
        assert.strictEqual(yield* out(id, waited), "3\n1\n")
      }),
    )

    check("20 commands at the same time keep their outputs and exit codes apart", () =>
      Effect.gen(function* () {
        const id = yield* make()
        const results = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, n) => n),
          (n) => exec(id, `echo out-${n}; echo err-${n} >&2; exit ${n}`),
          { concurrency: "unbounded" },
        )
        results.forEach((result, n) => {
          assert.strictEqual(result.stdout, `out-${n}\n`)
          assert.strictEqual(result.stderr, `err-${n}\n`)
          assert.strictEqual(result.exitCode, n)
        })
      }),
    )

    check("a program written into the sandbox runs, and one that can't exits with 126 or 127", () =>
      Effect.gen(function* () {
        const id = yield* make()
        yield* write(id, "/work/tool", '#!/bin/sh\necho "ran $1"; exit 9\n', 0o755)
        const ran = yield* exec(id, ["/work/tool", "a b"])
        assert.strictEqual(ran.stdout, "ran a b\n")
        assert.strictEqual(ran.exitCode, 9)
        yield* write(id, "/work/data", "no program")
        assert.strictEqual((yield* exec(id, ["/work/data"])).exitCode, 126)
        assert.strictEqual((yield* exec(id, ["/work/none"])).exitCode, 127)
        const broken = yield* exec(id, "if then fi")
        assert.notStrictEqual(broken.exitCode, 0)
        assert.match(broken.stderr, /syntax error/i)
      }),
    )

    check("a command whose name begins with a dash or a plus runs", () =>
      Effect.gen(function* () {
        const id = yield* make()
        for (const name of ["-x", "+x", "--version", "-v", "-c"]) {
          const missing = yield* exec(id, name)
          assert.include(`${missing.stderr}`, `${name}: `)
          assert.strictEqual(missing.exitCode, 127, name)
          assert.strictEqual((yield* exec(id, [name])).exitCode, 127, name)
          yield* write(id, `/work/bin/${name}`, '#!/bin/sh\necho "ran $1"\n', 0o755)
          const env = { PATH: "/work/bin:/usr/bin:/bin" }
          assert.strictEqual(yield* out(id, `${name} 'a b'`, { env }), "ran a b\n")
          assert.strictEqual(yield* out(id, [name, "a b"], { env }), "ran a b\n")
        }
      }),
    )

    check("a program that does not exist is not taken for a folder that does not exist", () =>
      Effect.gen(function* () {
        const id = yield* make()
        assert.strictEqual(yield* tagOf(exec(id, ["true"], { cwd: "/no/cwd" })), "InvalidPath")
        assert.strictEqual((yield* exec(id, ["chdir to cwd"])).exitCode, 127)
      }),
    )

    check(
      "a file as working directory is refused",
      () =>
        Effect.gen(function* () {
          const id = yield* make()
          const inFile = exec(id, "true", { cwd: "/etc/passwd" })
          assert.strictEqual(yield* tagOf(inFile), "InvalidPath")
        }),
      lacks.checkedFolders,
    )
  })
