import type { HostError } from "@cordon/core"
import { Effect } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "../engine/failures.ts"
import type { EngineInfo } from "../engine/schemas.ts"
import { cpusetLabel } from "../Labels.ts"

/** CPUs that a limit in cores takes up: whole ones, as programs count them. */
const wholeCpus = (cores: number) => Math.max(1, Math.ceil(cores))

/**
 * What tells programs how many CPUs a limit allows, where they would else count those of the host: Go before
 * 1.25, OpenMP and `nproc` of GNU, Python from 3.13 on, pytest-xdist, CMake. Java, .NET, Rust and Node read the
 * limit itself.
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

/** The numbers of the CPUs with the fewest sandboxes, in order; by chance among equals. */
const leastUsed = (sandboxesOn: ReadonlyArray<number>, wanted: number) =>
  sandboxesOn
    .map((sandboxes, cpu) => ({ sandboxes, cpu, chance: Math.random() }))
    .sort((a, b) => a.sandboxes - b.sandboxes || a.chance - b.chance)
    .slice(0, wanted)
    .map(({ cpu }) => cpu)
    .sort((a, b) => a - b)

// How old the view of the engine's containers may be: many creations at once look once.
const viewAge = "5 seconds"

/**
 * Chooses the CPUs that a sandbox runs on, so that programs inside count as many as its limit allows. Sandboxes
 * are spread evenly over the engine's CPUs, those of other programs counted.
 *
 * @param enabled whether the operator wants sandboxes to be held to CPUs
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
    /** A list of CPUs as the engine takes it; none where the limit allows all, or the engine can't hold to any. */
    choose: Effect.fnUntraced(function* (cores: number) {
      const { NCPU, CPUSet } = yield* info
      const wanted = wholeCpus(cores)
      if (!enabled || refusedOnce || CPUSet !== true || wanted >= NCPU) return undefined
      const counts = yield* sandboxesOnCpus
      const chosen = leastUsed(counts, wanted)
      // The next creation may come before the engine lists this one.
      for (const cpu of chosen) counts[cpu] = (counts[cpu] ?? 0) + 1
      return chosen.join(",")
    }),
    /** Whether the engine refused a container for its CPUs, some of which may not be its own to give. */
    refused: (error: { readonly _tag: string }) => {
      if (refusedOnce || !isEngineError("CpusRefused")(error)) return false
      refusedOnce = true
      return true
    },
  }
})
export type CpuSets = Effect.Success<ReturnType<typeof makeCpuSets>>
