import type { Runtime } from "@cordon/core"
import type { Stage } from "./stage.ts"

/** What a try is measured with. */
export interface Stopwatch {
  /** Goes around the part that counts: what is before and after it is free. Milliseconds. */
  readonly time: <A>(f: () => Promise<A>) => Promise<A>
  /** A sample in the case's unit that is no time. */
  readonly record: (value: number) => void
}

/** One of those who are compared. */
export interface Subject {
  /** `cordon`, `dockerode`, `docker`, `testcontainers`, `raw`, or one of ours with more behind it. */
  readonly name: string
  /** One try. */
  readonly run: (stopwatch: Stopwatch) => Promise<void>
}

/** What is to be reached, of medians. */
export type Target =
  /** The subject's divided by the peer's. */
  | { readonly subject?: string; readonly peer: string; readonly ratio: number }
  /** The subject's less the peer's, in the case's unit. */
  | { readonly subject?: string; readonly peer: string; readonly more: number }
  /** The subject's own, in the case's unit. */
  | { readonly subject?: string; readonly value: number }

/** Something that is measured: each file of `cases/` has one, or a few that belong together. */
export interface Case {
  /** As given on the command line. */
  readonly name: string
  readonly title: string
  /** What is measured and how to read it, for the page: a paragraph or two of Markdown. */
  readonly about: string
  readonly unit: "ms" | "MiB" | "KiB" | "descriptors"
  /** How much one try does, where a rate says more than a time. */
  readonly work?: (quick: boolean) => { readonly amount: number; readonly unit: string }
  /** Which runtime it needs, where not every engine has it. */
  readonly runtime?: Runtime
  /** Why it can't be measured here; undefined where it can. */
  readonly lack?: string | undefined
  /** Rounds that count, after the warm-up. In each, every subject has its turn. */
  readonly rounds: number
  /** Tries in a row that make up a turn; one where absent. */
  readonly series?: number
  /** Milliseconds before each try, for what the last one left to the engine to be done; none where absent. */
  readonly pause?: number
  readonly warmUp: number
  readonly targets?: ReadonlyArray<Target>
  /** Makes ready; what the stack holds is taken away afterwards. */
  readonly subjects: (stage: Stage, stack: AsyncDisposableStack) => Promise<ReadonlyArray<Subject>>
}
