import type { Result } from "./measure.ts"
import { ratioText, round } from "./text.ts"

/** The rows of a result: every subject, and our median divided by the subject's median. */
export const rowsOf = (result: Result): ReadonlyArray<ReadonlyArray<string>> => {
  const { subjects, unit, work } = result
  const ours = subjects["cordon"]
  return Object.entries(subjects).map(([name, { median, p95, samples }]) => [
    name,
    `${round(median)} ${unit}`,
    `${round(p95)} ${unit}`,
    ...(work === undefined ? [] : [`${round((work.amount / median) * 1000)} ${work.unit}/s`]),
    ours === undefined || name === "cordon" ? "" : ratioText(ours.median / median),
    String(samples.length),
  ])
}

export const headOf = ({ work }: Result): ReadonlyArray<string> => [
  "",
  "median",
  "p95",
  ...(work === undefined ? [] : ["rate"]),
  "cordon / it",
  "tries",
]

export const printTable = (result: Result): void => {
  const rows = [headOf(result), ...rowsOf(result)]
  const widths = headOf(result).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  )
  console.log(`\n${result.title} (${result.name})`)
  for (const row of rows) {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    )
    console.log(`  ${cells.join("  ").trimEnd()}`)
  }
  for (const target of result.targets) console.log(`  ${target}`)
}
