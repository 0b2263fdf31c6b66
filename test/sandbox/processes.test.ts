import {
  type AttachedProcess,
  type ProcessEvent,
  ProcessNotFound,
  type ProcessRequest,
} from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted, Stream } from "effect"
import { capable, sessionWith } from "../support/capableDriver.ts"
import { given } from "../support/given.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const out = (text: string): ProcessEvent => ({ _tag: "Stdout", bytes: bytes(text) })
const err = (text: string): ProcessEvent => ({ _tag: "Stderr", bytes: bytes(text) })
const lost = (bytes: number): ProcessEvent => ({ _tag: "Lost", bytes })
const exit: ProcessEvent = { _tag: "Exit", exitCode: 3 }

/** A sandbox whose one process has this log, and what its driver was asked for. */
const logged = (events: ReadonlyArray<ProcessEvent>, outputBytes = 0, takesInput = true) =>
  Effect.gen(function* () {
    const asked: Array<unknown> = []
    const note = (what: unknown) => Effect.sync(() => void asked.push(what))
    const process: AttachedProcess<never> = {
      takesInput,
      events: Stream.fromIterable(events),
      write: (bytes) => note(`write ${Buffer.from(bytes)}`),
      end: note("end"),
      signal: (number) => note(`signal ${number}`),
    }
    const session = yield* sessionWith((driver) => ({
      ...capable(driver),
      startProcess: (_, request) => note(request),
      listProcesses: () =>
        Effect.succeed([
          { name: "job", command: "", status: "running", startedAt: new Date(), outputBytes },
        ]),
      attachProcess: (_, name, position) =>
        name === "job"
          ? Effect.as(note(position), process)
          : Effect.fail(new ProcessNotFound({ process: name })),
      endProcess: (_, name, { grace, keepLog }) => note([name, Duration.toMillis(grace), keepLog]),
    }))
    const secrets = { TOKEN: Redacted.make("t") }
    const sandbox = yield* session.create({ workdir: "/work", secrets })
    return { sandbox, job: yield* sandbox.processes.get("job"), asked }
  })

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)

describe("A background process", () => {
  it.live("is started with the given options and its sandbox's secrets", () =>
    Effect.gen(function* () {
      const { sandbox, asked } = yield* logged([])
      const options = { name: "web", cwd: "sub", env: { A: "1" }, user: "me", stdin: true }
      yield* sandbox.processes.start(["serve", "--all", "a b"], options)
      const first: ProcessRequest = {
        name: "web",
        command: ["serve", "--all", "a b"],
        description: 'serve --all "a b"',
        cwd: "/work/sub",
        env: { TOKEN: "t", A: "1" },
        user: "me",
        stdin: true,
      }
      const { name } = yield* sandbox.processes.start("exit 1")
      const second: ProcessRequest = {
        name,
        command: "exit 1",
        description: "exit 1",
        env: { TOKEN: "t" },
        stdin: false,
      }
      assert.deepStrictEqual(
        asked.map((request) => given(Object(request))),
        [given(first), given(second)],
      )
      assert.strictEqual(yield* tagOf(sandbox.processes.start("a\0")), "InvalidInput")
      assert.lengthOf(asked, 2)
    }).pipe(Effect.scoped),
  )

  it.live("can be followed from its start or from now on, and waited for", () =>
    Effect.gen(function* () {
      const events = [lost(10), out("ab"), err("c"), exit]
      const { job, asked } = yield* logged(events)
      assert.deepStrictEqual(yield* Stream.runCollect(job.follow()), events)
      assert.deepStrictEqual(yield* Stream.runCollect(job.follow({ from: "now" })), events)
      assert.strictEqual(yield* job.wait, 3)
      const end = Number.MAX_SAFE_INTEGER
      assert.deepStrictEqual(asked, [0, end, end])
    }).pipe(Effect.scoped),
  )

  it.live("has logs() return the tail of its output so far, in whole characters", () =>
    Effect.gen(function* () {
      const logs = (events: ReadonlyArray<ProcessEvent>, written: number, tail: number) =>
        Effect.flatMap(logged(events, written), ({ job }) => job.logs({ tail }))
      const whole = [out("aé"), err("x"), out("b"), exit]
      const all = { stdout: "aéb", stderr: "x", truncated: false }
      assert.deepStrictEqual(yield* logs(whole, 5, 100), all)
      // What it has written since is not waited for.
      assert.deepStrictEqual(yield* logs([out("aé"), out("later")], 3, 100), {
        ...all,
        stdout: "aé",
        stderr: "",
      })
      const cut = { stdout: "b", stderr: "x", truncated: true }
      assert.deepStrictEqual(yield* logs(whole, 5, 2), cut)
      assert.deepStrictEqual(yield* logs([lost(2), out("\ufffdb"), err("x"), exit], 7, 100), {
        ...cut,
        stdout: "\ufffdb",
      })
      assert.deepStrictEqual(yield* logs([], 0, 100), { stdout: "", stderr: "", truncated: false })
      const many = Array.from({ length: 100 }, (_, number) => out(String(number % 10)))
      assert.strictEqual((yield* logs([...many, exit], 100, 12)).stdout, "890123456789")
    }).pipe(Effect.scoped),
  )

  it.live("passes input, signals and kills to the driver", () =>
    Effect.gen(function* () {
      const { sandbox, job, asked } = yield* logged([])
      yield* job.write("é")
      yield* job.write(bytes("b"))
      yield* job.closeStdin
      yield* job.signal("SIGUSR2")
      yield* job.kill()
      yield* job.kill({ grace: "1 second" })
      yield* job.remove
      assert.deepStrictEqual(
        asked.filter((call) => typeof call !== "number"),
        [
          "write é",
          "write b",
          "end",
          "signal 12",
          ["job", 5000, true],
          ["job", 1000, true],
          ["job", 0, false],
        ],
      )
      assert.strictEqual(yield* tagOf(job.write("\ud800")), "InvalidInput")
      assert.strictEqual(yield* tagOf(job.signal(JSON.parse('"SIGNONE"'))), "InvalidInput")
      for (const grace of ["61 seconds", JSON.parse('"soon"')]) {
        assert.strictEqual(yield* tagOf(job.kill({ grace })), "InvalidInput")
      }
      assert.strictEqual(yield* tagOf(sandbox.processes.get("none")), "ProcessNotFound")
      const deaf = yield* logged([], 0, false)
      assert.strictEqual(yield* tagOf(deaf.job.write("x")), "ProcessInputClosed")
    }).pipe(Effect.scoped),
  )
})
