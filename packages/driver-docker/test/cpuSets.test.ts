import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { refusalIn } from "../src/engine/failures.ts"
import { cpuEnvironment, makeCpuSets } from "../src/sandbox/cpuSets.ts"

const info = (cpus: number, CPUSet?: boolean) =>
  Effect.succeed({ NCPU: cpus, MemTotal: 1e9, ...(CPUSet === undefined ? {} : { CPUSet }) })

/** An engine with a running sandbox on each of these sets of CPUs, and a stopped one on CPU 0. */
const engineWith = (...cpusets: ReadonlyArray<string>) => {
  const container = (cpuset: string, State: string) => ({
    ...{ Id: cpuset, Names: [], Image: "image", Created: 0, State },
    Labels: { "dev.cordon.cpuset": cpuset },
  })
  return {
    containerList: () =>
      Effect.succeed([
        ...cpusets.map((cpuset) => container(cpuset, "running")),
        container("0", "exited"),
      ]),
  }
}

describe("CPUs of sandboxes", () => {
  it.effect("are as many as the limit rounds up to, and those with the fewest sandboxes", () =>
    Effect.gen(function* () {
      const sets = yield* makeCpuSets(engineWith("1", "1,3", "nonsense,77"), info(4, true), true)
      assert.strictEqual(yield* sets.choose(1.5), "0,2")
      // Each has one sandbox now but CPU 1, which has two.
      assert.strictEqual(yield* sets.choose(2.2), "0,2,3")
    }),
  )

  it.effect("are spread evenly over many concurrent creations", () =>
    Effect.gen(function* () {
      const sets = yield* makeCpuSets(engineWith(), info(8, true), true)
      const chosen = yield* Effect.all(
        Array.from({ length: 40 }, () => sets.choose(1)),
        { concurrency: "unbounded" },
      )
      for (let cpu = 0; cpu < 8; cpu++) {
        assert.lengthOf(
          chosen.filter((set) => set === String(cpu)),
          5,
        )
      }
    }),
  )

  it.effect("are not pinned when the limit covers all, or pinning is unsupported or off", () =>
    Effect.gen(function* () {
      const cases = [
        [info(2, true), true, 1.5],
        [info(4, false), true, 1],
        [info(4), true, 1],
        [info(4, true), false, 1],
      ] as const
      for (const [engine, enabled, cores] of cases) {
        const sets = yield* makeCpuSets(engineWith(), engine, enabled)
        assert.isUndefined(yield* sets.choose(cores))
      }
    }),
  )

  it.effect("are not pinned any more once the engine refused some", () =>
    Effect.gen(function* () {
      const sets = yield* makeCpuSets(engineWith(), info(4, true), true)
      const failure = (detail: string) =>
        refusalIn("create a container", 400, JSON.stringify({ message: detail }))
      assert.isFalse(sets.refused(failure("No such image")))
      assert.isDefined(yield* sets.choose(1))
      const refusal = failure("Requested CPUs are not available - requested 3, available: 0-1")
      assert.isTrue(sets.refused(refusal))
      assert.isUndefined(yield* sets.choose(1))
      // The same words again have another cause, and trying again would not end.
      assert.isFalse(sets.refused(refusal))
    }),
  )

  it("are given to programs as whole numbers", () => {
    for (const [cores, count] of [
      [0.25, "1"],
      [1, "1"],
      [2.5, "3"],
    ] as const) {
      assert.deepStrictEqual([...new Set(Object.values(cpuEnvironment(cores)))], [count])
    }
  })
})
