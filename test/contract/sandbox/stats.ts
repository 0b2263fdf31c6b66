import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream } from "effect"
import { tagOf } from "../../support/effects.ts"
import { makeSandbox } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

/** Statistics of sandboxes, on every driver that has them. */
export const statsContract = ({ check, lacks }: FeatureStage) =>
  describe("statistics", () => {
    check(
      "stats tell CPU time, memory and processes as they grow",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const before = yield* sandbox.stats
          yield* sandbox.run("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done")
          for (const name of ["a", "b", "c"]) {
            yield* sandbox.processes.start(["sleep", "1000"], { name })
          }
          const after = yield* sandbox.stats
          assert.isAbove(after.cpuTime ?? 0, before.cpuTime ?? Number.NaN)
          assert.isAtLeast(after.pids ?? 0, (before.pids ?? Number.NaN) + 3)
          for (const { pids = 0, memory = 0 } of [before, after]) {
            assert.isAbove(memory, 0)
            assert.isAtMost(memory, sandbox.info.limits.memory)
            assert.isAbove(pids, 0)
            assert.isAtMost(pids, sandbox.info.limits.pids)
          }
          // Bytes that a program holds are in use.
          yield* sandbox.run("head -c 20000000 /dev/zero >/dev/shm/held")
          const held = yield* sandbox.stats
          assert.isAbove(held.memory ?? 0, (before.memory ?? Number.NaN) + 10_000_000)
        }),
      lacks.stats ?? lacks.processes,
    )

    check(
      "programs count as many CPUs as the limit allows",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const { stdout } = yield* sandbox.run('echo "$GOMAXPROCS" | grep . || nproc')
          assert.strictEqual(Number(stdout), Math.ceil(sandbox.info.limits.cpus))
        }),
      lacks.stats ?? lacks.processes,
    )

    check(
      "stats tell no traffic where there is no network",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox({ network: "none" })
          const { network, readAt } = yield* sandbox.stats
          assert.deepStrictEqual(network, { received: 0, sent: 0 })
          assert.isBelow(Math.abs(Date.now() - readAt.getTime()), 60_000)
        }),
      lacks.stats,
    )

    check(
      "watchStats repeats until the sandbox stops",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const some = yield* sandbox
            .watchStats({ every: "100 millis" })
            .pipe(Stream.take(3), Stream.runCollect)
          const times = some.map(({ readAt }) => readAt.getTime())
          assert.deepStrictEqual(
            times,
            [...times].sort((a, b) => a - b),
          )
          let seen = 0
          const watching = yield* sandbox.watchStats({ every: 100 }).pipe(
            Stream.runForEach(() =>
              Effect.sync(() => {
                seen += 1
              }),
            ),
            Effect.forkScoped,
          )
          yield* Effect.repeat(
            Effect.sync(() => seen),
            { schedule: Schedule.spaced("20 millis"), until: (count) => count > 1 },
          )
          yield* sandbox.stop
          yield* Fiber.join(watching)
          assert.strictEqual(yield* tagOf(sandbox.stats), "SandboxNotRunning")
          const refused = Stream.runDrain(sandbox.watchStats())
          assert.strictEqual(yield* tagOf(refused), "SandboxNotRunning")
          yield* sandbox.remove
          assert.strictEqual(yield* tagOf(sandbox.stats), "SandboxNotFound")
          const often = Stream.runDrain(sandbox.watchStats({ every: 99 }))
          assert.strictEqual(yield* tagOf(often), "InvalidInput")
        }),
      lacks.stats,
    )
  })
