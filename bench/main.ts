// npm run bench -- [name...] [--quick] [--rounds N] [--page]: measures and prints; results go to bench/results.
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { cases } from "./cases/index.ts"
import { measure } from "./harness/measure.ts"
import { resultsFolder, writePage } from "./harness/page.ts"
import { makeStage } from "./harness/stage.ts"
import { printTable } from "./harness/table.ts"

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** One try of each benchmark: shows that they run. The numbers mean nothing. */
    quick: { type: "boolean", default: false },
    /** The number of rounds, instead of each benchmark's own. */
    rounds: { type: "string" },
    /** Only generates docs/performance.md from the existing results. */
    page: { type: "boolean", default: false },
  },
})

const unknown = positionals.filter(
  (wanted) => !cases.some(({ name }) => name === wanted || name.startsWith(`${wanted}-`)),
)
if (unknown.length > 0) {
  console.error(`No benchmark is called ${unknown.join(", ")}. There are:`)
  for (const { name, title } of cases) console.error(`  ${name}: ${title}`)
  process.exit(2)
}
const chosen = cases.filter(
  ({ name }) =>
    positionals.length === 0 ||
    positionals.some((wanted) => name === wanted || name.startsWith(`${wanted}-`)),
)

if (!values.page) {
  await using stack = new AsyncDisposableStack()
  const stage = await makeStage(values, stack)
  console.log(stage.host)
  for (const benchmark of chosen) {
    const { name, runtime, lack } = benchmark
    if (lack !== undefined) {
      console.log(`\n${name} is left out: ${lack}`)
      continue
    }
    if (runtime !== undefined && !stage.runtimes.includes(runtime)) {
      console.log(`\n${name} is left out: the engine has no runtime ${runtime}`)
      continue
    }
    const result = await measure(benchmark, stage)
    printTable(result)
    if (values.quick) continue
    await mkdir(resultsFolder, { recursive: true })
    await writeFile(
      join(resultsFolder, `${result.name}.json`),
      `${JSON.stringify(result, null, 2)}\n`,
    )
  }
}
// A quick run has one try of each case, which is not worth a page.
if (!values.quick) await writePage(cases)
