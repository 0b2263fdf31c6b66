// An agent's analysis: data in, a plot out. Run: node --conditions=@cordon/source examples/data-analysis.ts
import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createSandboxes, sessionFilesDirectory } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"

// The session's own files: where uploads come from and downloads go to.
const storage = await mkdtemp(join(tmpdir(), "cordon-analysis-"))
await mkdir(join(storage, "inputs"))
const readings = [3, 5, 4, 8, 7, 9, 12, 11]
await writeFile(
  join(storage, "inputs", "readings.csv"),
  `day,value\n${readings.map((value, day) => `${day + 1},${value}\n`).join("")}`,
)

await using sandboxes = createSandboxes({
  driver: process.env["CORDON_DRIVER"] === "memory" ? memory() : docker(),
  files: sessionFilesDirectory(storage),
  network: "none", // The data has no way out.
})
await using sandbox = await sandboxes.create({ limits: { memory: "256MiB", cpus: 0.5 } })

// A program that a model could write: a bar chart in SVG, with nothing but awk.
const plot = `awk -F, '
  NR > 1 { value[NR - 1] = $2; count = NR - 1; if ($2 > most) most = $2; sum += $2 }
  END {
    print "<svg xmlns=\\"http://www.w3.org/2000/svg\\" viewBox=\\"0 0 " count * 20 " 100\\">"
    for (day = 1; day <= count; day++) {
      height = int(value[day] * 90 / most)
      print "<rect x=\\"" (day - 1) * 20 + 2 "\\" y=\\"" 100 - height "\\" width=\\"16\\" height=\\"" height "\\" fill=\\"#2563eb\\"/>"
    }
    print "</svg>"
    print "<!-- mean " sum / count " -->"
  }' data/readings.csv > out/plot.svg && grep -o 'mean [0-9.]*' out/plot.svg`

await sandbox.files.upload("inputs", "data")
const { stdout } = await sandbox.run(`mkdir -p out && ${plot}`, { timeout: "30 seconds" })
const { files, bytes } = await sandbox.files.download("out", "results")

const svg = await readFile(join(storage, "results", "plot.svg"), "utf8")
console.log(stdout.trim())
console.log(`${files} file of ${bytes} bytes, ${svg.match(/<rect/g)?.length} bars:`)
console.log(join(storage, "results", "plot.svg"))
