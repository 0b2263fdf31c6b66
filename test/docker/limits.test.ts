import { Sandboxes } from "@cordon/core"
import { DockerEngine, layerDriver, localEngine } from "@cordon/driver-docker"
import { assert, describe } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { socketPath } from "../support/docker.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { containerOf, engine, image, onEngine, textOf, withSession } from "./support.ts"

const limits = { memory: "96MiB", cpus: 0.5, pids: 48 }

const beyond = [{ memory: "900TiB" }, { cpus: 4096 }, { pids: 4_194_304 }]

/** An engine that may give other CPUs than those that it counts, as one in a container of its own may. */
const layerMisnumbered = Sandboxes.layer({ image }).pipe(
  Layer.provide(layerDriver()),
  Layer.provide(
    Layer.effect(
      DockerEngine,
      Effect.map(DockerEngine, (engine) => ({
        ...engine,
        info: Effect.map(engine.info, (info) => ({ ...info, NCPU: info.NCPU + 1 })),
        containerList: (filters) =>
          filters["label"]?.includes("dev.cordon.cpuset")
            ? Effect.map(engine.info, ({ NCPU }) =>
                Array.from({ length: NCPU }, (_, cpu) => ({
                  ...{ Id: "", Names: [], Image: "", Created: 0, State: "running" },
                  Labels: { "dev.cordon.cpuset": String(cpu) },
                })),
              )
            : engine.containerList(filters),
      })),
    ),
  ),
  Layer.provide(localEngine(socketPath)),
)

describe("limits on a real engine", () => {
  onEngine("the engine and the cgroup report the requested limits", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ limits })
        const { HostConfig } = yield* Effect.promise(() =>
          engine.getContainer(sandbox.info.instanceId).inspect(),
        )
        assert.strictEqual(HostConfig.Memory, 96 * 1024 ** 2)
        assert.strictEqual(HostConfig.MemorySwap, 96 * 1024 ** 2)
        assert.strictEqual(HostConfig.NanoCpus, 5e8)
        assert.strictEqual(HostConfig.PidsLimit, 48)
        // cgroup v1 and v2 have the same numbers under other names.
        const first = (...paths: ReadonlyArray<string>) =>
          textOf(
            sandbox,
            `cat ${paths.map((path) => `/sys/fs/cgroup/${path}`).join(" ")} 2>/dev/null | head -n 1`,
          )
        const memory = yield* first("memory.max", "memory/memory.limit_in_bytes")
        assert.strictEqual(memory, String(96 * 1024 ** 2))
        assert.strictEqual(yield* first("pids.max", "pids/pids.max"), "48")
        const cpu = yield* first("cpu.max", "cpu/cpu.cfs_quota_us")
        assert.strictEqual(cpu.split(" ")[0], "50000")
      }).pipe(Effect.asVoid),
    ),
  )

  onEngine("a limit of processes contains a fork bomb: host and sandbox respond afterwards", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ limits })
        const other = yield* session.create({ limits })
        yield* sandbox.files.write("kept", "yes")
        // One that ends at once and goes on in the background, and one that its timeout ends.
        for (const bomb of [
          "bomb() { bomb | bomb & }; bomb",
          "bomb() { bomb | bomb & bomb; }; bomb",
        ]) {
          yield* sandbox.exec(bomb, { timeout: "3 seconds" })
          const during = yield* Effect.promise(() =>
            engine.getContainer(sandbox.info.instanceId).stats({ stream: false }),
          )
          assert.isAtMost(during.pids_stats?.current ?? Number.NaN, limits.pids)
          assert.strictEqual(yield* textOf(other, "echo fine"), "fine")
        }
        yield* sandbox.stop
        yield* sandbox.start
        // What holds every slot: the second `sleep` has the one that the loop leaves when it can fork no more.
        const filling = "(while :; do sleep 1000 & done); sleep 1000 & echo full; exec sleep 1000"
        yield* sandbox.execStream(["sh", "-c", filling]).pipe(
          Stream.filter(({ _tag }) => _tag === "Stdout"),
          Stream.take(1),
          Stream.runForEach(() =>
            Effect.gen(function* () {
              const refused = yield* sandbox.exec("true")
              assert.strictEqual(refused.exitCode, 126)
              assert.match(refused.stderr, /cannot fork/)
            }),
          ),
        )
        yield* sandbox.stop
        yield* sandbox.start
        assert.strictEqual(yield* textOf(sandbox, "cat kept"), "yes")
      }),
    ),
  )

  onEngine("a limit of memory kills a command that exceeds it, and the result says so", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ limits })
        // tail keeps its last line in memory: here one of endless length.
        const result = yield* sandbox.exec("tail -n 1 < /dev/zero; exit $?")
        assert.strictEqual(result.exitCode, 137)
        assert.isTrue(result.oomKilled)
        assert.isFalse(result.timedOut)
        const error = yield* Effect.flip(sandbox.run("tail -n 1 < /dev/zero"))
        assert.strictEqual(error._tag, "OutOfMemory")
        assert.match(error.message, /higher limit/)
        assert.strictEqual(yield* textOf(sandbox, "echo fine"), "fine")
        // A command that kills itself was not killed for memory.
        const killed = yield* sandbox.exec("kill -KILL $$")
        assert.strictEqual(killed.exitCode, 137)
        assert.isFalse(killed.oomKilled)
      }),
    ),
  )

  onEngine("programs count as many CPUs as the limit of cores", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ limits, network: "none" })
        const { CPUSet } = yield* Effect.promise(() => engine.info())
        const cpus = yield* textOf(
          sandbox,
          "nproc; sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status",
        )
        assert.match(cpus, CPUSet === true ? /^1\n\d+$/ : /^1\n/)
      }),
    ),
  )

  onEngine(
    "environment variables give the limit of cores when a sandbox is not pinned to CPUs",
    () =>
      withSession(
        (session) =>
          Effect.gen(function* () {
            const { NCPU } = yield* Effect.promise(() => engine.info())
            const env = { GOMAXPROCS: "7" }
            const sandbox = yield* session.create({ limits, network: "none", env })
            assert.strictEqual(
              yield* textOf(
                sandbox,
                "echo $GOMAXPROCS; nproc; sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status",
              ),
              `7\n1\n${NCPU === 1 ? "0" : `0-${NCPU - 1}`}`,
            )
          }),
        {},
        { cpusets: false },
      ),
  )

  onEngine("a limit of cores works when the engine's CPUs are not numbered from zero", () =>
    Effect.gen(function* () {
      const session = yield* (yield* Sandboxes).session(freshSessionId())
      const sandbox = yield* session.create({ limits, network: "none" })
      assert.strictEqual(yield* textOf(sandbox, "nproc"), "1")
      const { HostConfig } = yield* containerOf(sandbox)
      assert.strictEqual(HostConfig.CpusetCpus, "")
    }).pipe(Effect.provide(layerMisnumbered), Effect.scoped),
  )

  onEngine("a limit beyond the host's capacity is refused with the maximum", () =>
    withSession(
      (session) =>
        Effect.gen(function* () {
          for (const limits of beyond) {
            const error = yield* Effect.flip(session.create({ limits }))
            assert.strictEqual(error._tag, "InvalidLimits")
            assert.match(error.message, /at most .*, which is what this host has/)
          }
          assert.deepStrictEqual(yield* session.list, [])
        }),
      { allow: { limits: { memory: "900TiB", cpus: 4096, pids: 4_194_304 } } },
    ),
  )
})
