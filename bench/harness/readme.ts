import type { Result } from "./measure.ts"
import { round } from "./text.ts"

/** The results in the README, with their titles. */
const rows: ReadonlyArray<readonly [name: string, title: string]> = [
  ["create-cold", "Create a sandbox and run its first command"],
  ["create-warm", "The same from a warm pool"],
  ["create-warm-gvisor", "The same from a warm pool, on gVisor"],
  ["create-warm-30", "30 sandboxes at once from a warm pool, each with its first command"],
  ["exec-true", "Run `true`, in a series"],
  ["exec-true-alone", "Run `true`, once in a while"],
  ["exec-gvisor", "Run `true` on gVisor"],
  ["concurrent-50", "50 commands at once in 10 sandboxes"],
  ["read-1k", "Read a file of 1 KiB"],
  ["write-1m", "Write a file of 1 MiB"],
  ["upload-256m", "Upload a file of 256 MiB"],
]

const place = /(?<=<!-- made by npm run bench -->\n\n)\|[\s\S]*?(?=\n\n)/

/** The README with the current medians. */
export const withSpeed = (page: string, results: ReadonlyArray<Result>): string => {
  const table = rows.flatMap(([name, title]) => {
    const found = results.find((result) => result.name === name)
    if (found === undefined) return []
    const cells = ["cordon", "dockerode", "docker"].map((subject) => {
      const summary = found.subjects[subject]
      return summary === undefined ? "" : round(summary.median)
    })
    return [`| ${[title, ...cells].join(" | ")} |`]
  })
  const head = ["| | Cordon | dockerode | `docker` |", "| --- | ---: | ---: | ---: |"]
  return page.replace(place, () => [...head, ...table].join("\n"))
}
