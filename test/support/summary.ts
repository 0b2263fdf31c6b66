import { byReason, type SkippedTest } from "./skips.ts"

/** What became of a run: what is kept of it in a file, and what is said at its end. */
export interface Summary {
  readonly passed: number
  /** In words, one for each failure. */
  readonly failedTests: ReadonlyArray<string>
  readonly secondTries: ReadonlyArray<string>
  readonly skippedTests: ReadonlyArray<SkippedTest>
  /** The ten files that took longest. */
  readonly slowestFiles: ReadonlyArray<{ readonly file: string; readonly seconds: number }>
}

const list = (title: string, lines: ReadonlyArray<string>) =>
  lines.length === 0 ? [] : ["", title, ...lines.map((line) => `- ${line}`)]

/** The end of a run: failures come last, and the counts after them. */
export const linesOf = (
  summary: Omit<Summary, "slowestFiles">,
  file: string,
): ReadonlyArray<string> => {
  const { passed, failedTests, secondTries, skippedTests } = summary
  const reasons = byReason(skippedTests).map(([reason, count]) => `${count}: ${reason}`)
  return [
    ...list(`Not tested on this machine (by name: ${file}):`, reasons),
    ...list("Passed on a second try only:", secondTries),
    ...list("Failed:", failedTests),
    "",
    `${passed} passed, ${failedTests.length} failed, ${skippedTests.length} skipped`,
  ]
}
