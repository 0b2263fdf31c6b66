import type { HostError } from "@cordon/core"
import { Effect } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "../engine/failures.ts"
import type { EngineInfo } from "../engine/schemas.ts"
import { cpusetLabel } from "../Labels.ts"

/** The number of CPUs for a limit in cores, rounded up, as programs count CPUs. */
const wholeCpus = (cores: number) => Math.max(1, Math.ceil(cores))

/**
 * Environment variables that tell programs how many CPUs a limit allows. Without them, these
 * programs count the host's CPUs: Go before 1.25, OpenMP and `nproc` of GNU, Python from 3.13 on,
 * pytest-xdist, CMake. Java, .NET, Rust and Node read the limit itself.
 *
 * @param cores the limit
 */
export const cpuEnvironment = (cores: number): Readonly<Record<string, string>> => {
  const count = String(wholeCpus(cores))
  return {
    GOMAXPROCS: count,
    OMP_NUM_THREADS: count,
    PYTHON_CPU_COUNT: count,
    PYTEST_XDIST_AUTO_NUM_WORKERS: count,
    CMAKE_BUILD_PARALLEL_LEVEL: count,
  }
}

/** The numbers of the CPUs with the fewest sandboxes, in ascending order. Ties are broken at random. */
const leastUsed = (sandboxesOn: ReadonlyArray<number>, wanted: number) =>
  sandboxesOn
    .map((sandboxes, cpu) => ({ sandboxes, cpu, chance: Math.random() }))
    .sort((a, b) => a.sandboxes - b.sandboxes || a.chance - b.chance)
    .slice(0, wanted)
    .map(({ cpu }) => cpu)
    .sort((a, b) => a - b)

// The maximum age of the cached container list, so that many simultaneous creations list only once.
const viewAge = "5 seconds"

/**
 * Chooses the CPUs that a sandbox is pinned to, so that programs inside see as many CPUs as the
 * limit allows. Sandboxes, including those of other programs, are spread evenly over the engine's
 * CPUs.
 *
 * @param enabled whether the operator wants sandboxes to be pinned
 */
export const makeCpuSets = Effect.fnUntraced(function* (
  engine: Pick<DockerEngine["Service"], "containerList">,
  info: Effect.Effect<EngineInfo, HostError>,
  enabled: boolean,
) {
  let refusedOnce = false

  const sandboxesOnCpus = yield* Effect.cachedWithTTL(
    Effect.gen(function* () {
      const { NCPU } = yield* info
      const counts = Array<number>(NCPU).fill(0)
      for (const { State, Labels } of yield* engine.containerList({ label: [cpusetLabel] })) {
        if (State !== "running") continue
        for (const cpu of (Labels[cpusetLabel] ?? "").split(",").map(Number)) {
          const count = counts[cpu]
          if (count !== undefined) counts[cpu] = count + 1
        }
      }
      return counts
    }),
    viewAge,
  )

  return {
    /**
     * A list of CPUs in the engine's format; undefined if the limit allows all CPUs, or if the
     * engine can't pin containers.
     */
    choose: Effect.fnUntraced(function* (cores: number) {
      const { NCPU, CPUSet } = yield* info
      const wanted = wholeCpus(cores)
      if (!enabled || refusedOnce || CPUSet !== true || wanted >= NCPU) return undefined
      const counts = yield* sandboxesOnCpus
      const chosen = leastUsed(counts, wanted)
      // The next creation may come before the engine lists this container.
      for (const cpu of chosen) counts[cpu] = (counts[cpu] ?? 0) + 1
      return chosen.join(",")
    }),
    /**
     * Whether the engine refused a container because of its CPUs: the engine may not be allowed to
     * use all of them.
     */
    refused: (error: { readonly _tag: string }) => {
      if (refusedOnce || !isEngineError("CpusRefused")(error)) return false
      refusedOnce = true
      return true
    },
  }
})
export type CpuSets = Effect.Success<ReturnType<typeof makeCpuSets>>
