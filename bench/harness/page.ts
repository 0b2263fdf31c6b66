import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Case } from "./Case.ts"
import type { Result } from "./measure.ts"
import { plot } from "./plot.ts"
import { withSpeed } from "./readme.ts"
import { summary } from "./summary.ts"
import { headOf, rowsOf } from "./table.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
export const resultsFolder = join(root, "bench", "results")
const plotsFolder = join(root, "docs", "performance")

const introduction = `# Performance

Made by \`pnpm bench\`, which measures us and others on the same engine in the same run, each
in turn. Ratios are of medians: below 1 we take less. Absolute times depend on the machine, ratios much
less so.

- \`cordon\`: the Promise facade, all layers and checks included
- \`dockerode\`: plain dockerode, used as its documentation shows
- \`docker\`: the \`docker\` command
- \`testcontainers\`: testcontainers for Node
- \`raw\`: the same Engine calls with nothing around them, on one kept connection
`

const row = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`

const section = ({ name, title, about, ...result }: Result): string => {
  const whole = { name, title, about, ...result }
  const head = headOf(whole)
  return [
    `## ${title}`,
    about,
    `![${title}](performance/${name}.svg)`,
    [row(head), row(head.map((_, column) => (column === 0 ? "---" : "---:")))]
      .concat(rowsOf(whole).map(row))
      .join("\n"),
    ...result.targets.map((target) => `- ${target}`),
    `Measured on ${result.host}; \`pnpm bench ${name}\`.`,
  ].join("\n\n")
}

/** Writes docs/performance.md with its plots, and the table of the README, from the existing results. */
export const writePage = async (cases: ReadonlyArray<Case>): Promise<void> => {
  await mkdir(plotsFolder, { recursive: true })
  const results: Array<Result> = []
  for (const { name } of cases) {
    const text = await readFile(join(resultsFolder, `${name}.json`), "utf8").catch(() => undefined)
    if (text === undefined) continue
    const result: Result = JSON.parse(text)
    await writeFile(join(plotsFolder, `${name}.svg`), plot(result))
    results.push(result)
  }
  await writeFile(
    join(root, "docs", "performance.md"),
    `${[introduction.trim(), summary(results), ...results.map(section)].join("\n\n")}\n`,
  )
  const readme = join(root, "README.md")
  await writeFile(readme, withSpeed(await readFile(readme, "utf8"), results))
}
