/** A test that did not run, and why. */
export interface SkippedTest {
  readonly name: string
  readonly reason: string
}

/**
 * A reason that names what this machine lacks, in place of what a driver lacks anywhere: the run in
 * CI that has it all refuses such reasons.
 */
export const needs = (what: Need, why: string): string => `needs ${what}: ${why}`

export type Need =
  | "a Docker Engine"
  | "an engine of its own"
  | "an image"
  | "a registry"
  | "gVisor"
  | "Podman"
  | "a machine of its own"
  | "PostgreSQL"
  | "a PID namespace"
  | "an emulator"
  | "a C compiler"
  | "an SSH server"
  | "zsh"
  | "fish"

/** Needs that are of use with an engine only. */
const ofAnEngine: ReadonlyArray<Need> = [
  "a Docker Engine",
  "an engine of its own",
  "a machine of its own",
  "Podman",
]

/** What a run in CI was meant to do without. */
export type Lacks = "nothing" | "an engine"

/** Skipped tests by reason, the most frequent first. */
export const byReason = (skipped: ReadonlyArray<SkippedTest>): ReadonlyArray<[string, number]> => {
  const counts = new Map<string, number>()
  for (const { reason } of skipped) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  return [...counts].sort(([, one], [, other]) => other - one)
}

const same = (one: SkippedTest) => (other: SkippedTest) =>
  one.name === other.name && one.reason === other.reason

/**
 * The skipped tests that could have run. With all that CI brings these are the ones that ask for more
 * of the machine. Without an engine they are the ones that ask for anything else, that are unit tests
 * or tests in memory, or that give a reason of their own (`anyway` has those of the run with an engine).
 */
export const unwarranted = (
  skipped: ReadonlyArray<SkippedTest>,
  lacks: Lacks,
  anyway: ReadonlyArray<SkippedTest>,
): ReadonlyArray<SkippedTest> =>
  skipped.filter((test) => {
    const { name, reason } = test
    if (lacks === "nothing") return reason.startsWith("needs ")
    if (anyway.some(same(test))) return false
    const needsNone = /^packages\/|\b(?:on|contract:|Features:) memory\b/.test(name)
    return needsNone || !ofAnEngine.some((what) => reason.startsWith(`${needs(what, "")}`))
  })
