import { performance } from "node:perf_hooks"
import { setTimeout } from "node:timers/promises"
import type { Case, Stopwatch, Subject, Target } from "./Case.ts"
import type { Stage } from "./stage.ts"
import { type Summary, summarize } from "./statistics.ts"
import { ratioText, round } from "./text.ts"

export interface Result {
  readonly name: string
  readonly title: string
  readonly about: string
  readonly unit: Case["unit"]
  readonly work?: { readonly amount: number; readonly unit: string }
  readonly subjects: Readonly<Record<string, Summary>>
  /** The targets in words, and whether each was met. */
  readonly targets: ReadonlyArray<string>
  /** The machine and the engine, in words. */
  readonly host: string
}

const tryOnce = async (subject: Subject): Promise<number> => {
  let sample: number | undefined
  const stopwatch: Stopwatch = {
    time: async (f) => {
      const start = performance.now()
      const answer = await f()
      sample = (sample ?? 0) + performance.now() - start
      return answer
    },
    record: (value) => {
      sample = value
    },
  }
  await subject.run(stopwatch)
  if (sample === undefined) throw new Error(`${subject.name} measured nothing`)
  return sample
}

/** Whether a target was met; nothing if its peer is not on this machine. */
const judge = (
  target: Target,
  summaries: Readonly<Record<string, Summary>>,
  unit: string,
): ReadonlyArray<string> => {
  const name = target.subject ?? "cordon"
  const ours = summaries[name]?.median
  const peer = "peer" in target ? summaries[target.peer]?.median : 0
  if (ours === undefined || peer === undefined) return []
  const verdict = (reached: boolean) => (reached ? "reached" : "missed")
  if ("ratio" in target) {
    const ratio = ours / peer
    return [
      `${name} / ${target.peer}: ${ratioText(ratio)}, target <= ${ratioText(target.ratio)}, ${verdict(ratio <= target.ratio)}`,
    ]
  }
  const [what, most] =
    "more" in target ? [`${name} - ${target.peer}`, target.more] : [name, target.value]
  const value = ours - peer
  return [`${what}: ${round(value)} ${unit}, target <= ${most} ${unit}, ${verdict(value <= most)}`]
}

/**
 * Measures the subjects of a case side by side. In each round every subject has its turn, so that a
 * temporary slowdown of the machine affects all. The first rounds only warm up.
 */
export const measure = async (benchmark: Case, stage: Stage): Promise<Result> => {
  await using stack = new AsyncDisposableStack()
  const subjects = await benchmark.subjects(stage, stack)
  const samples = new Map(subjects.map(({ name }) => [name, [] as number[]]))
  const [warmUp, rounds] = stage.quick
    ? [0, 1]
    : [benchmark.warmUp, stage.rounds ?? benchmark.rounds]
  for (let round = 0; round < warmUp + rounds; round++) {
    for (const subject of subjects) {
      for (let nth = 0; nth < (stage.quick ? 1 : (benchmark.series ?? 1)); nth++) {
        if (benchmark.pause) await setTimeout(benchmark.pause)
        const sample = await tryOnce(subject)
        if (round >= warmUp) samples.get(subject.name)?.push(sample)
      }
    }
  }
  const summaries = Object.fromEntries(
    [...samples].map(([name, values]) => [name, summarize(values)] as const),
  )
  return {
    name: benchmark.name,
    title: benchmark.title,
    about: benchmark.about,
    unit: benchmark.unit,
    ...(benchmark.work === undefined ? {} : { work: benchmark.work(stage.quick) }),
    subjects: summaries,
    targets: (benchmark.targets ?? []).flatMap((target) =>
      judge(target, summaries, benchmark.unit),
    ),
    host: stage.host,
  }
}
