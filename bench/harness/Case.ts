import type { Runtime } from "@cordon/core"
import type { Stage } from "./stage.ts"

/** The stopwatch of a try. */
export interface Stopwatch {
  /** Measures the wrapped part in milliseconds. The code before and after it does not count. */
  readonly time: <A>(f: () => Promise<A>) => Promise<A>
  /** Adds a sample that is not a time, in the case's unit. */
  readonly record: (value: number) => void
}

/** One of the compared subjects. */
export interface Subject {
  /** `cordon`, `dockerode`, `docker`, `testcontainers`, `raw`, or `cordon` with an addition. */
  readonly name: string
  /** One try. */
  readonly run: (stopwatch: Stopwatch) => Promise<void>
}

/** The target for medians. */
export type Target =
  /** The subject's median divided by the peer's. */
  | { readonly subject?: string; readonly peer: string; readonly ratio: number }
  /** The subject's median minus the peer's, in the case's unit. */
  | { readonly subject?: string; readonly peer: string; readonly more: number }
  /** The subject's median, in the case's unit. */
  | { readonly subject?: string; readonly value: number }

/** A benchmark. Each file of `cases/` has one, or a few that belong together. */
export interface Case {
  /** The name on the command line. */
  readonly name: string
  readonly title: string
  /** Says what is measured and how to read it: a paragraph or two of Markdown for the page. */
  readonly about: string
  readonly unit: "ms" | "MiB" | "KiB" | "descriptors"
  /** The amount of work of one try, if a rate says more than a time. */
  readonly work?: (quick: boolean) => { readonly amount: number; readonly unit: string }
  /** The runtime that the case needs, if not every engine has it. */
  readonly runtime?: Runtime
  /** The reason if it can't be measured here; otherwise undefined. */
  readonly lack?: string | undefined
  /** Rounds that count, after the warm-up. In each, every subject has its turn. */
  readonly rounds: number
  /** Tries in a row in each turn. Default: 1. */
  readonly series?: number
  /** Milliseconds before each try, in which the engine finishes the work of the last one. Default: none. */
  readonly pause?: number
  readonly warmUp: number
  readonly targets?: ReadonlyArray<Target>
  /** Prepares the subjects. The stack is disposed afterwards. */
  readonly subjects: (stage: Stage, stack: AsyncDisposableStack) => Promise<ReadonlyArray<Subject>>
}
