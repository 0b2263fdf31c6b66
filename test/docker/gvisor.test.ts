import { assert, describe } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { noGvisor } from "../support/docker.ts"
import { skipped } from "../support/skipped.ts"
import { engine, onEngine, textOf, withSession } from "./support.ts"

const limits = { memory: "192MiB", cpus: 0.5, pids: 48 }
const persistently = Schedule.max([Schedule.spaced("300 millis"), Schedule.recurs(20)])
const settings = { runtime: "gvisor", limits } as const

const onGvisor = <E>(name: string, body: () => Effect.Effect<unknown, E>, timeout?: number) =>
  noGvisor === undefined ? onEngine(name, body, timeout) : skipped(name, noGvisor)

describe("gVisor on a real engine", () => {
  onGvisor(
    "is the kernel that code inside sees, and the strongest runtime of an engine without Kata",
    () =>
      withSession((session, sandboxes) =>
        Effect.gen(function* () {
          const { runtimes, caveats } = yield* sandboxes.capabilities
          assert.deepInclude(runtimes, {
            runtime: "gvisor",
            isolation: "user-space-kernel",
            keepsFiles: true,
          })
          assert.isTrue(caveats.some((caveat) => /^gvisor: .*memory/.test(caveat)))
          const sandbox = yield* session.create({ runtime: "strongest", limits })
          assert.strictEqual(sandbox.info.runtime, "gvisor")
          assert.strictEqual((yield* sandbox.inspect).runtime, "gvisor")
          assert.match(yield* textOf(sandbox, "dmesg"), /Starting gVisor/)
          const { HostConfig } = yield* Effect.promise(() =>
            engine.getContainer(sandbox.info.instanceId).inspect(),
          )
          assert.strictEqual(HostConfig.Runtime, "runsc")
          const plain = yield* session.create({ runtime: "runc", limits })
          assert.notMatch((yield* plain.exec("dmesg")).stdout, /gVisor/)
        }),
      ),
  )

  onGvisor(
    "ends the whole sandbox at its memory limit, reports that, and restarts it with its files",
    () =>
      withSession(
        (session) =>
          Effect.gen(function* () {
            const sandbox = yield* session.create()
            yield* sandbox.files.write("kept", "yes")
            // tail keeps its last line in memory: here one of endless length.
            const result = yield* sandbox.exec("echo before; tail -n 1 < /dev/zero; exit $?")
            assert.strictEqual(result.exitCode, 137)
            assert.isTrue(result.oomKilled)
            assert.isTrue(result.restarted)
            assert.isFalse(result.timedOut)
            assert.strictEqual(result.stdout, "before\n")
            // What gVisor's own tools say of their lost kernel is not the command's.
            assert.strictEqual(result.stderr, "")
            assert.strictEqual(yield* textOf(sandbox, "cat kept"), "yes")
            const error = yield* Effect.flip(sandbox.run("tail -n 1 < /dev/zero"))
            assert.strictEqual(error._tag, "OutOfMemory")
            const killed = yield* sandbox.exec("kill -KILL $$")
            assert.strictEqual(killed.exitCode, 137)
            assert.isFalse(killed.oomKilled || killed.restarted)
            // A command may say the same words: they stay its own.
            const words = `waiting on pid 7: waiting on PID 7 in sandbox "00aa": urpc method "containerManager.WaitPID" failed: EOF`
            const liar = yield* sandbox.exec(`echo '${words}' >&2; exit 128`)
            assert.strictEqual(liar.stderr, `${words}\n`)
            assert.strictEqual(liar.exitCode, 128)
            assert.isFalse(liar.restarted)
          }),
        settings,
      ),
  )

  onGvisor("refuses processes beyond the limit, and has a wider limit on the host", () =>
    withSession(
      (session) =>
        Effect.gen(function* () {
          const sandbox = yield* session.create()
          const { HostConfig } = yield* Effect.promise(() =>
            engine.getContainer(sandbox.info.instanceId).inspect(),
          )
          assert.strictEqual(sandbox.info.limits.pids, 48)
          assert.strictEqual(HostConfig.PidsLimit, 128 + 3 * 48)
          const many = "for i in $(seq 100); do sleep 60 & done; exit"
          // Not bash, which tries again: gVisor lets a second try through, as a caveat says.
          const refused = yield* sandbox.exec(["sh", "-c", many])
          assert.match(refused.stderr, /fork/i)
          assert.isFalse(refused.restarted)
          // What it left holds the slots, until the sandbox is stopped.
          yield* sandbox.stop
          yield* sandbox.start
          assert.strictEqual(yield* textOf(sandbox, "echo fine"), "fine")
        }),
      settings,
    ),
  )

  onGvisor(
    "contains a fork bomb: host and sandbox respond afterwards",
    () =>
      withSession(
        (session) =>
          Effect.gen(function* () {
            const sandbox = yield* session.create()
            const other = yield* session.create()
            yield* sandbox.files.write("kept", "yes")
            const lift = "echo max > /sys/fs/cgroup/pids/pids.max;"
            for (const bomb of [
              "bomb() { bomb | bomb & }; bomb",
              `${lift} bomb() { bomb | bomb & bomb; }; bomb`,
            ]) {
              yield* sandbox.exec(bomb, { timeout: "3 seconds" })
              assert.strictEqual(yield* textOf(other, "echo fine"), "fine")
              // It may go on in the background and end the sandbox once more.
              const kept = Effect.andThen(sandbox.start, textOf(sandbox, "cat kept"))
              assert.strictEqual(yield* Effect.retry(kept, { schedule: persistently }), "yes")
            }
          }),
        settings,
      ),
    180_000,
  )
})
