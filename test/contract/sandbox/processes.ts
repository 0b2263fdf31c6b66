import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { tagOf, until } from "../../support/effects.ts"
import { makeSandbox, running } from "../../support/sandbox.ts"
import { heard, writes } from "./processLogs.ts"
import type { FeatureStage } from "./stage.ts"

/** Background processes, on every driver that has them. */
export const processesContract = ({ check, lacks }: FeatureStage) => {
  const lack = lacks.processes
  describe("background processes", () => {
    check(
      "a background process runs on, and tells its output and exit code",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox({ env: { A: "sandbox" } })
          const { processes } = sandbox
          assert.deepStrictEqual(yield* processes.list, [])
          yield* sandbox.files.makeDirectory("sub dir")
          const server = yield* processes.start(
            'echo "$A $B"; pwd; echo oops >&2; until [ -e go ]; do sleep 0.1; done; echo bye; exit 7',
            { name: "server", cwd: "sub dir", env: { B: "own" } },
          )
          const before = yield* server.inspect
          assert.strictEqual(before.status, "running")
          assert.isUndefined(before.exitCode)
          assert.match(before.command, /^echo "\$A \$B"; pwd/)
          assert.isBelow(Math.abs(Date.now() - before.startedAt.getTime()), 120_000)
          const following = yield* Effect.forkChild(heard(server))
          yield* until(Effect.map(server.logs(), ({ stderr }) => stderr === "oops\n"))
          // Another handle, as another part of the program would have it.
          const found = yield* processes.get("server")
          const waiting = yield* Effect.forkChild(found.wait)
          yield* sandbox.files.write("sub dir/go", "")
          assert.strictEqual(yield* Fiber.join(waiting), 7)
          const stdout = "sandbox own\n/work/sub dir\nbye\n"
          assert.deepStrictEqual(yield* Fiber.join(following), {
            stdout,
            stderr: "oops\n",
            lost: 0,
            exitCode: 7,
          })
          assert.deepInclude(yield* found.inspect, {
            status: "exited",
            exitCode: 7,
            outputBytes: stdout.length + "oops\n".length,
          })
          assert.strictEqual(yield* found.wait, 7)
          yield* found.kill()
          assert.strictEqual((yield* found.inspect).exitCode, 7)
          yield* processes.start("sleep 1000", { name: "another" })
          assert.deepStrictEqual(
            (yield* processes.list).map(({ name, status }) => [name, status]),
            [
              ["server", "exited"],
              ["another", "running"],
            ],
          )
        }),
      lack,
    )

    check(
      "a background process gets its arguments unchanged, and runs as the user asked for",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const { processes } = sandbox
          const odd = ["a b", "$HOME", "'\"", "new\nline", "-n", "", "é日"]
          const argv = yield* processes.start(["printf", "<%s>", ...odd])
          assert.strictEqual(yield* argv.wait, 0)
          const whole = odd.map((part) => `<${part}>`).join("")
          assert.deepStrictEqual(yield* argv.logs(), {
            stdout: whole,
            stderr: "",
            truncated: false,
          })
          // The cut falls into the middle of a character, which is left out.
          assert.deepStrictEqual(yield* argv.logs({ tail: 3 }), {
            stdout: ">",
            stderr: "",
            truncated: true,
          })
          const other = yield* processes.start("id -u; id -g", { user: "1234:4321" })
          assert.strictEqual(yield* other.wait, 0)
          assert.strictEqual((yield* other.logs()).stdout, "1234\n4321\n")
          const long = yield* processes.start(`: ${"é".repeat(600)}`)
          const { command } = yield* long.inspect
          assert.strictEqual(command, `: ${"é".repeat(499)}`)
        }),
      lack,
    )

    check(
      "start refuses a missing program, folder, user or name, each with an error of its own",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const { processes } = sandbox
          yield* sandbox.files.write("plain", "no program")
          const missing = yield* Effect.flip(processes.start(["no-such-program"]))
          assert.deepInclude(missing, { _tag: "ProcessNotStarted", why: "notFound" })
          const plain = yield* Effect.flip(processes.start(["/work/plain"]))
          assert.deepInclude(plain, { _tag: "ProcessNotStarted", why: "notExecutable" })
          assert.strictEqual(yield* tagOf(processes.start("true", { cwd: "none" })), "InvalidPath")
          for (const user of ["nobody-here", "4294967296"]) {
            assert.strictEqual(yield* tagOf(processes.start("true", { user })), "InvalidInput")
          }
          for (const name of ["../x", "", "a/b", "-n", "x".repeat(50)]) {
            assert.strictEqual(yield* tagOf(processes.start("true", { name })), "InvalidInput")
            assert.strictEqual(yield* tagOf(processes.get(name)), "InvalidInput")
          }
          assert.strictEqual(yield* tagOf(processes.get("none")), "ProcessNotFound")
          assert.deepStrictEqual(yield* processes.list, [])
        }),
      lack,
    )

    check(
      "kill ends a process and all that it started, after a time to end by itself",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const { processes } = sandbox
          const sleeping = running(sandbox, "^sleep 70")
          const gentle = yield* processes.start(
            'trap "echo cleaned; exit 3" TERM; sleep 7001 & echo ready; wait',
            { name: "gentle" },
          )
          yield* writes(gentle, "ready\n")
          // A child that is not yet its program would miss the signal.
          yield* until(Effect.map(sleeping, (count) => count === 1))
          yield* gentle.kill()
          assert.strictEqual((yield* gentle.logs()).stdout, "ready\ncleaned\n")
          assert.strictEqual(yield* gentle.wait, 3)
          const stubborn = yield* processes.start(
            'trap "" TERM; sleep 7002 & (setsid sleep 7003 &); sh -c "sleep 7004 & sleep 7005"',
          )
          yield* until(Effect.map(sleeping, (count) => count === 4))
          yield* stubborn.kill({ grace: "300 millis" })
          assert.strictEqual(yield* sleeping, 0)
          assert.strictEqual(yield* stubborn.wait, 137)
          const other = yield* processes.start("sleep 7006", { name: "other" })
          yield* other.remove
          assert.strictEqual(yield* sleeping, 0)
          assert.strictEqual(yield* tagOf(other.logs()), "ProcessNotFound")
          assert.strictEqual(yield* tagOf(other.kill()), "ProcessNotFound")
          const error = yield* tagOf(gentle.kill({ grace: "61 seconds" }))
          assert.strictEqual(error, "InvalidInput")
        }),
      lack,
    )

    check(
      "of several starts of one name at the same time one wins",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const { processes } = sandbox
          const start = (command: string) => processes.start(command, { name: "only" })
          for (let round = 0; round < 3; round++) {
            const begun = yield* Effect.forEach(
              ["a", "b", "c"],
              (word) => Effect.result(start(`echo ${word}; sleep 1000`)),
              { concurrency: "unbounded" },
            )
            const [won, ...more] = begun.flatMap((result) =>
              result._tag === "Success" ? [result.success] : [],
            )
            const refused = begun.flatMap((result) =>
              result._tag === "Failure" ? [result.failure._tag] : [],
            )
            assert.lengthOf(more, 0)
            assert.deepStrictEqual(refused, ["ProcessNameTaken", "ProcessNameTaken"])
            yield* won?.kill({ grace: 0 }) ?? Effect.die("nobody won")
            assert.strictEqual(yield* won?.wait ?? Effect.die("nobody won"), 137)
          }
          // An ended one gives its name back.
          const again = yield* start("exit 5")
          assert.strictEqual(yield* again.wait, 5)
          assert.strictEqual((yield* again.logs()).stdout, "")
          assert.lengthOf(yield* processes.list, 1)
        }),
      lack,
    )

    check(
      "a signal reaches the process group",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const process = yield* sandbox.processes.start(
            'trap "echo usr1" USR1; trap "echo hup; exit 4" HUP; echo ready; while :; do sleep 0.1; done',
          )
          yield* writes(process, "ready\n")
          yield* process.signal("SIGUSR1")
          yield* writes(process, "ready\nusr1\n")
          yield* process.signal("SIGHUP")
          assert.strictEqual(yield* process.wait, 4)
          // One that has ended has nobody left to tell.
          yield* process.signal("SIGKILL")
          assert.strictEqual(yield* process.wait, 4)
          yield* process.remove
          assert.strictEqual(yield* tagOf(process.signal("SIGTERM")), "ProcessNotFound")
        }),
      lack,
    )

    check(
      "stop of a sandbox ends its background processes, and they are gone after it",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const { processes } = sandbox
          const process = yield* processes.start("echo before; sleep 1000", { name: "stopped" })
          yield* writes(process, "before\n")
          const following = yield* Effect.forkChild(
            Stream.runLast(process.follow({ from: "now" })),
            { startImmediately: true },
          )
          yield* sandbox.stop
          const last = yield* Effect.result(Fiber.join(following))
          // Whichever was heard of first: its end, or its sandbox's.
          if (last._tag === "Success") assert.deepInclude(last.success, { _tag: "Some" })
          else assert.strictEqual(last.failure._tag, "SandboxNotRunning")
          yield* sandbox.start
          assert.deepStrictEqual(yield* processes.list, [])
          assert.strictEqual(yield* tagOf(process.logs()), "ProcessNotFound")
          assert.strictEqual(yield* running(sandbox, "^sleep 1000"), 0)
          yield* processes.start("true", { name: "stopped" })
        }),
      lack,
    )
  })
}
