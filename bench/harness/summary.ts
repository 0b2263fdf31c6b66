import type { Result } from "./measure.ts"
import { round } from "./text.ts"

const row = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`

/** A heading's anchor on the page. */
const anchorOf = (title: string): string =>
  title
    .toLowerCase()
    .replace(/[^\w\- ]/g, "")
    .replaceAll(" ", "-")

/** All results in a table of medians, and how many targets were reached. */
export const summary = (results: ReadonlyArray<Result>): string => {
  const targets = results.flatMap((result) => result.targets)
  const reached = targets.filter((target) => target.endsWith(", reached")).length
  const rows = results.map(({ title, unit, subjects, targets }) => {
    const medianOf = (name: string) => {
      const found = subjects[name]
      return found === undefined ? "" : `${round(found.median)} ${unit}`
    }
    return row([
      `[${title}](#${anchorOf(title)})`,
      ...["cordon", "dockerode", "docker"].map(medianOf),
      targets.join("; "),
    ])
  })
  return [
    "## Summary",
    `Medians. ${reached} of ${targets.length} targets are reached; each section says what its number consists of.`,
    [
      row(["", "Cordon", "dockerode", "`docker`", "targets"]),
      row(["---", "---:", "---:", "---:", "---"]),
      ...rows,
    ].join("\n"),
  ].join("\n\n")
}
