// The init as process 1 of real containers, on each runtime, with code inside that is against it.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, type Scope, Stream } from "effect"
import type { InitConnection } from "../../packages/driver-docker/src/init/InitConnection.ts"
import { run } from "../../packages/driver-docker/src/init/run.ts"
import { noEngine, noGvisor, socketPath } from "../support/docker.ts"
import { noPodman, podman } from "../support/podman.ts"
import { skipped } from "../support/skipped.ts"
import { finish, initContainer, initPath, sh } from "./initContainer.ts"
import { image } from "./support.ts"

const machines = [
  {
    name: "runc" as const,
    missing: noEngine,
    options: { socketPath, image, runtime: "runc" },
  },
  {
    name: "gVisor" as const,
    missing: noGvisor,
    options: { socketPath, image, runtime: "runsc" },
  },
  {
    name: "Podman" as const,
    missing: noPodman,
    options: {
      socketPath: podman.host.replace("unix://", ""),
      image: podman.image,
      ulimits: podman.ulimits,
    },
  },
]

// Signals from inside that do nothing to process 1. On gVisor only blocked ones do nothing: 9 and 19 can't be blocked.
const all = "1 2 3 9 11 15 19 20"
const harmless = { runc: all, Podman: all, gVisor: "1 2 3 11 15 20" }

// What ends all that runs: gVisor's kill knows no real-time signals.
const stop = { runc: "40", Podman: "40", gVisor: "10" }

// A loop that goes on writing, and what tells whether one still does.
const beats = "while :; do echo . >>/tmp/beats; sleep 0.1; done"
const beating = (connection: InitConnection) =>
  Effect.map(sh(connection, "wc -c </tmp/beats; sleep 1; wc -c </tmp/beats"), ({ output }) => {
    const [before, after] = output.trim().split("\n")
    return before !== after
  })
const startBeating = (connection: InitConnection) =>
  Effect.forkScoped(Stream.runDrain(run(connection, { argv: ["/bin/sh", "-c", beats], cwd: "/" })))

const until = <A, E>(effect: Effect.Effect<A, E>, holds: (value: A) => boolean) =>
  Effect.repeat(Effect.delay(effect, "200 millis"), {
    while: (value) => !holds(value),
    schedule: Schedule.recurs(100),
  })

for (const machine of machines) {
  const { name, missing, options } = machine
  const test = (title: string, body: () => Effect.Effect<unknown, unknown, Scope.Scope>) =>
    missing === undefined
      ? it.live(title, () => Effect.scoped(body()), 120_000)
      : skipped(`the init on ${name} ${title}`, missing)
  const made = initContainer(options)

  describe(`the init on ${name}`, () => {
    test("runs commands as the given user and in the given folder", () =>
      Effect.gen(function* () {
        const connection = yield* (yield* made).start()
        const { output, exitCode } = yield* sh(connection, "id -u; pwd; exit 3", {
          user: "1000",
          cwd: "/tmp",
        })
        assert.deepStrictEqual([output, exitCode], ["1000\n/tmp\n", 3])
      }))

    test("opens a terminal of the requested size", () =>
      Effect.gen(function* () {
        const connection = yield* (yield* made).start()
        const terminal = { rows: 33, columns: 44 }
        const { output } = yield* sh(connection, "stty size", { user: "1000", terminal })
        assert.strictEqual(output, "33 44\r\n")
      }))

    test("hides the memory and files of process 1 from root inside", () =>
      Effect.gen(function* () {
        const connection = yield* (yield* made).start()
        const files =
          name === "gVisor"
            ? "mem exe root cwd"
            : "mem exe root cwd environ maps fd/0 ns/pid ns/mnt"
        const { output } = yield* sh(
          connection,
          `for f in ${files}; do (head -c 1 /proc/1/$f || readlink /proc/1/$f) >/dev/null 2>&1 && echo $f; done; echo end`,
        )
        assert.strictEqual(output, "end\n")
      }))

    test("survives signals from inside, and any file put at its path", () =>
      Effect.gen(function* () {
        const connection = yield* (yield* made).start()
        const signals = harmless[name]
        yield* sh(
          connection,
          `for s in ${signals}; do kill -$s 1; done; rm -f ${initPath}; echo >${initPath}`,
        )
        assert.strictEqual((yield* sh(connection, "echo on")).output, "on\n")
      }))

    test("kills a daemon that cleared its environment when its command times out", () =>
      Effect.gen(function* () {
        const connection = yield* (yield* made).start()
        const daemon = `(setsid env -i /bin/sh -c '(env -i /bin/sh -c "${beats}" &)' >/dev/null 2>&1 &); sleep 1000`
        const { timedOut, unanswered } = yield* sh(connection, daemon, { timeout: 2000 })
        assert.deepStrictEqual([timedOut, unanswered], [true, false])
        assert.isFalse(yield* beating(connection))
      }))

    test("keeps a finished command's daemon running until the sandbox stops, also when code inside sends the stop signal", () =>
      Effect.gen(function* () {
        const sandbox = yield* made
        const connection = yield* sandbox.start()
        yield* startBeating(connection)
        yield* sh(connection, `: >/tmp/left; (${beats.replace("beats", "left")}) >/dev/null 2>&1 &`)
        yield* sh(connection, `for i in $(seq 50); do kill -${stop[name]} 1; done; sleep 1`)
        assert.isTrue(yield* beating(connection))
        const left = sh(connection, "wc -c </tmp/left; sleep 1; wc -c </tmp/left")
        const grows = ({ output }: { readonly output: string }) =>
          new Set(output.trim().split("\n")).size > 1
        assert.isTrue(grows(yield* left))
        yield* Effect.promise(() => sandbox.container.kill({ signal: stop[name] }))
        yield* until(beating(connection), (goesOn) => !goesOn)
        assert.isFalse(grows(yield* left))
      }))

    // The only place where process 1 may limit processes.
    if (name === "gVisor") {
      test("enforces the limit of processes", () =>
        Effect.gen(function* () {
          const connection = yield* (yield* made).start()
          const { output } = yield* sh(connection, "cat /sys/fs/cgroup/pids/pids.max")
          assert.strictEqual(output, "200\n")
        }))
    }

    // gVisor counts nowhere what it kills, and lets go of the limit of processes: its driver has to see to both.
    if (name !== "gVisor") {
      test("reports that the kernel killed a command for lack of memory", () =>
        Effect.gen(function* () {
          const connection = yield* (yield* made).start()
          const hungry = "x=$(head -c 600000000 /dev/zero | tr '\\0' a)"
          const { exitCode, oomKilled } = yield* sh(connection, hungry)
          assert.deepStrictEqual([exitCode === 0, oomKilled], [false, true])
        }))

      for (const bomb of [
        ":(){ :|:& };:",
        "while :; do (while :; do sleep 9 & done)& done",
        "trap '' TERM; while :; do kill -STOP -1; done",
      ]) {
        test(`kills ${bomb} at its timeout, and no process of another command`, () =>
          Effect.gen(function* () {
            const connection = yield* (yield* made).start()
            const other = yield* Effect.forkScoped(
              sh(connection, "sleep 6; echo other", { user: "4711" }),
            )
            // It has its slot before the bomb takes them all.
            const count = sh(connection, "ps -eo uid | grep -c 4711")
            yield* until(count, ({ output }) => output !== "0\n")
            const argv = ["/bin/bash", "-c", `${bomb}; sleep 1000`] as const
            // As another user than the other command: it must not be able to stop that one itself.
            const ended = yield* finish(connection, { argv, cwd: "/", user: "1000", timeout: 1500 })
            assert.deepStrictEqual([ended.timedOut, ended.unanswered], [true, false])
            assert.strictEqual((yield* sh(connection, "ps -eo uid | grep -c 1000")).output, "0\n")
            assert.strictEqual((yield* Fiber.join(other)).output, "other\n")
          }))
      }
    }

    test("accepts a connection from another program, and none from code inside", () =>
      Effect.gen(function* () {
        const sandbox = yield* made
        const first = yield* sandbox.start()
        const second = yield* sandbox.connect
        yield* startBeating(first)
        assert.strictEqual((yield* sh(second, "echo two")).output, "two\n")
        const inside = yield* sh(second, `${initPath} connect </dev/null`)
        assert.strictEqual(inside.output, "")
        assert.strictEqual((yield* second.hello).bootId, (yield* first.hello).bootId)
      }))

    test("kills the commands of a connection that was lost", () =>
      Effect.gen(function* () {
        const sandbox = yield* made
        yield* Effect.scoped(
          Effect.gen(function* () {
            const first = yield* sandbox.start()
            yield* startBeating(first)
            yield* until(sh(first, "wc -c </tmp/beats"), ({ output }) => Number(output) > 2)
          }),
        )
        const second = yield* sandbox.connect
        yield* until(beating(second), (goesOn) => !goesOn)
      }))

    test("starts again after a stop, with another boot ID", () =>
      Effect.gen(function* () {
        const sandbox = yield* made
        const before = yield* (yield* sandbox.start()).hello
        yield* Effect.promise(() => sandbox.container.stop({ t: 5 }))
        const connection = yield* sandbox.start()
        assert.strictEqual((yield* sh(connection, "echo again")).output, "again\n")
        assert.notDeepEqual((yield* connection.hello).bootId, before.bootId)
      }))

    test("ends the container when no program was connected for the removal time", () =>
      Effect.gen(function* () {
        const sandbox = yield* made
        yield* Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* sandbox.start(1)
            yield* sh(connection, "(setsid sleep 1000 >/dev/null 2>&1 &)")
          }),
        )
        const state = Effect.promise(() => sandbox.container.inspect()).pipe(
          Effect.map(({ State }) => State),
        )
        const ended = yield* until(state, ({ Running }) => !Running)
        assert.strictEqual(ended.ExitCode, 0)
      }))
  })
}
