import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream } from "effect"
import { tagOf, until } from "../../support/effects.ts"
import { makeSandbox, makeSharedSandbox, running } from "../../support/sandbox.ts"
import { heard, writes } from "./processLogs.ts"
import type { FeatureStage } from "./stage.ts"

/** A daemon that has given up its session, its parent and its environment. */
const daemon = (seconds: number) =>
  `(setsid env -i sh -c '(env -i sleep ${seconds} &)' >/dev/null 2>&1 &)`

/** Background processes across programs, at their limits, and beside code that means harm. */
export const processBoundsContract = ({ check, layer, lacks }: FeatureStage) =>
  describe("background processes, their bounds", () => {
    const { processes: lack, rootForges, pidsLimit } = lacks
    check(
      "another program finds a process, writes to it and closes its input",
      () =>
        Effect.gen(function* () {
          const { sandbox, elsewhere } = yield* makeSharedSandbox(layer)
          const counter = yield* sandbox.processes.start(
            'while read -r line; do echo "got $line"; done; echo over; exit 6',
            { name: "counter", stdin: true },
          )
          yield* counter.write("first\n")
          yield* writes(counter, "got first\n")
          yield* elsewhere(({ processes }) =>
            Effect.gen(function* () {
              const found = yield* processes.get("counter")
              yield* found.write(new TextEncoder().encode("second é\n"))
              yield* writes(found, "got first\ngot second é\n")
              yield* found.closeStdin
              assert.strictEqual(yield* found.wait, 6)
            }),
          )
          assert.strictEqual((yield* counter.logs()).stdout, "got first\ngot second é\nover\n")
          assert.strictEqual(yield* tagOf(counter.write("late")), "ProcessInputClosed")
          yield* counter.closeStdin
          // Without input, what is read is at its end.
          const deaf = yield* sandbox.processes.start("cat; echo end; sleep 1000")
          yield* writes(deaf, "end\n")
          assert.strictEqual(yield* tagOf(deaf.write("x")), "ProcessInputClosed")
        }),
      lack,
    )

    check(
      "write hands over all of a long input, however late the process reads it",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const process = yield* sandbox.processes.start(
            "until [ -e go ]; do sleep 0.1; done; wc -c",
            { stdin: true },
          )
          const writing = yield* Effect.forkChild(process.write(new Uint8Array(1_000_000)))
          yield* sandbox.files.write("go", "")
          yield* Fiber.join(writing)
          yield* process.closeStdin
          assert.strictEqual(yield* process.wait, 0)
          assert.strictEqual((yield* process.logs()).stdout.trim(), "1000000")
        }),
      lack,
    )

    check(
      "a process survives the program that started it",
      () =>
        Effect.gen(function* () {
          const { sandbox, elsewhere } = yield* makeSharedSandbox(layer)
          yield* elsewhere(({ processes }) =>
            processes.start("echo begun; until [ -e go ]; do sleep 0.1; done; exit 9", {
              name: "left",
            }),
          )
          const left = yield* sandbox.processes.get("left")
          assert.strictEqual((yield* left.inspect).status, "running")
          yield* writes(left, "begun\n")
          yield* sandbox.files.write("go", "")
          assert.strictEqual(yield* left.wait, 9)
        }),
      lack,
    )

    check(
      "follow tells a late or slow reader how much output was lost",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const total = 5_000_004
          const flood = yield* sandbox.processes.start(
            "until [ -e go ]; do sleep 0.1; done; head -c 5000000 /dev/zero | tr '\\0' x; echo end",
            { name: "flood" },
          )
          // Reads nothing from its first piece to the end of the flood.
          let isDone = false
          let [read, lost] = [0, 0]
          const slow = yield* flood.follow().pipe(
            Stream.runForEach((event) => {
              if (event._tag === "Lost") lost += event.bytes
              if (event._tag === "Stdout") read += event.bytes.length
              return until(Effect.sync(() => isDone))
            }),
            Effect.forkChild({ startImmediately: true }),
          )
          yield* sandbox.files.write("go", "")
          assert.strictEqual(yield* flood.wait, 0)
          isDone = true
          yield* Fiber.join(slow)
          assert.strictEqual(read + lost, total)
          assert.isAbove(lost, 0)
          const late = yield* heard(flood)
          assert.strictEqual(late.stdout.length + late.lost, total)
          assert.isAbove(late.stdout.length, 900_000)
          assert.isTrue(late.stdout.endsWith("xend\n"))
          assert.deepStrictEqual(yield* flood.logs({ tail: 1000 }), {
            stdout: `${"x".repeat(996)}end\n`,
            stderr: "",
            truncated: true,
          })
          const whole = yield* flood.logs({ tail: 10_000_000 })
          assert.isTrue(whole.truncated)
          const later = yield* Stream.runCollect(flood.follow({ from: "now" }))
          assert.deepStrictEqual(
            later.map(({ _tag }) => _tag),
            ["Exit"],
          )
        }),
      lack,
    )

    check(
      "kill and remove end a daemon that cleared its environment",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const { processes } = sandbox
          const sleeping = running(sandbox, "^sleep 72")
          const killed = yield* processes.start(`${daemon(7201)}; sleep 7201`)
          yield* until(Effect.map(sleeping, (count) => count === 2))
          yield* killed.kill({ grace: 0 })
          assert.strictEqual(yield* sleeping, 0)
          const removed = yield* processes.start(`${daemon(7202)}; sleep 7202`)
          yield* until(Effect.map(sleeping, (count) => count === 2))
          yield* removed.remove
          assert.strictEqual(yield* sleeping, 0)
          // The one of a process that has ended goes with its kill, too.
          const ended = yield* processes.start(daemon(7203))
          assert.strictEqual(yield* ended.wait, 0)
          yield* until(Effect.map(sleeping, (count) => count === 1))
          yield* ended.kill()
          assert.strictEqual(yield* sleeping, 0)
        }),
      lack,
    )

    check(
      "a background process takes at most two process slots",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const pids = Effect.map(sandbox.stats, ({ pids = Number.NaN }) => pids)
          const before = yield* pids
          for (let count = 0; count < 10; count++) yield* sandbox.processes.start(["sleep", "1000"])
          // Up to four supervisors wait for the next command, at either reading or not.
          assert.isAtMost(yield* pids, before + 20 + 4)
        }),
      lack,
    )

    check(
      "start is refused at once where no process slot is left",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox({ limits: { pids: 32 } })
          const { processes } = sandbox
          const names = Array.from({ length: 32 }, (_, number) => `p-${number}`)
          const start = (name: string) => processes.start(["sleep", "1000"], { name })
          const refused = yield* Effect.flip(Effect.forEach(names, start))
          assert.deepInclude(refused, { _tag: "ProcessNotStarted", why: "cannotFork" })
          assert.isAtLeast((yield* processes.list).length, 12)
          // What is removed makes room, though what has ended may be counted for a moment.
          yield* (yield* processes.get("p-0")).remove
          yield* Effect.retry(start("p-0"), Schedule.spaced("50 millis"))
        }),
      lack ?? pidsLimit,
    )

    // Writes to all that other users have open, and where such things were kept once. What its own user has
    // open is its own: nobody keeps a user from being that user.
    const forge = `for file in /proc/[0-9]*/fd/*; do
    owner=$(stat -c %u "\${file%/fd/*}" 2>/dev/null)
    [ -p "$file" ] && [ "$owner" != "$(id -u)" ] && (echo forged >"$file")
  done 2>/dev/null
  for at in /tmp/.cordon-0 /tmp/.cordon-65534; do
    mkdir -p "$at/honest" && echo 0 >"$at/honest/exit" && echo forged >"$at/honest/stdout"
  done 2>/dev/null
  kill -9 $PPID 2>/dev/null
  echo tried`
    const isForged = Effect.fnUntraced(function* (user: string, forger: string) {
      const sandbox = yield* makeSandbox()
      const { processes } = sandbox
      const script = "echo honest; until [ -e /work/go ]; do sleep 0.1; done; exit 3"
      const honest = yield* processes.start(script, { name: "honest", user })
      yield* writes(honest, "honest\n")
      yield* (yield* processes.start(forge, { user: forger })).wait
      yield* sandbox.files.write("go", "")
      assert.strictEqual(yield* honest.wait, 3)
      const logs = yield* honest.logs()
      return logs.stdout !== "honest\n" || logs.stderr !== "" || logs.truncated
    })

    check(
      "another user inside can't forge the logs or the exit code of a process",
      () => Effect.map(isForged("0", "65534"), assert.isFalse),
      lack,
    )

    check(
      "root inside can't forge the logs or the exit code of another user's process",
      () => Effect.map(isForged("65534", "0"), assert.isFalse),
      lack ?? rootForges,
    )

    check(
      "reading, following and waiting need no process inside the sandbox",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const process = yield* sandbox.processes.start(["sleep", "1000"], { stdin: true })
          // Of the init's own some wait for the next command.
          const all = running(sandbox, "^\\(/[^.]\\|[^/]\\)")
          const before = yield* all
          const following = yield* Effect.forkChild(Stream.runDrain(process.follow()))
          const waiting = yield* Effect.forkChild(process.wait)
          yield* process.write("x")
          yield* process.logs()
          assert.strictEqual(yield* all, before)
          yield* process.kill()
          yield* Fiber.join(following)
          assert.strictEqual(yield* Fiber.join(waiting), 143)
          assert.isAtMost(yield* all, before)
        }),
      lack,
    )
  })
