import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import type { Case, Subject } from "../harness/Case.ts"

const root = join(import.meta.dirname, "../..")
const node = (args: ReadonlyArray<string>, cwd = root) =>
  promisify(execFile)(process.execPath, args, { cwd })

/** Builds the packages as published, so that the measurement is of the current sources. */
const build = () => node(["scripts/build.ts"])

const importing = (name: string, module?: string): Subject => ({
  name,
  run: async ({ time }) => {
    const program = module === undefined ? "0" : `import ${JSON.stringify(module)}`
    const folder = join(root, "packages/driver-docker")
    await time(() => node(["--input-type=module", "--eval", program], folder))
  },
})

const imports: Case = {
  name: "import",
  title: "Import the package",
  about:
    'A program whose only line is `import "@cordon/driver-docker"`, built as it is published, from the start of Node to its end; the same with dockerode, with the modules of `effect` that every program needs for a driver, and with nothing (`node`). dockerode itself is loaded by the first connection to an engine.',
  unit: "ms",
  rounds: 20,
  warmUp: 2,
  targets: [{ peer: "dockerode", ratio: 1.5 }],
  subjects: async () => {
    await build()
    return [
      importing("cordon", "@cordon/driver-docker"),
      importing("dockerode", "dockerode"),
      importing("effect", "effect/Schema"),
      importing("node"),
    ]
  },
}

/** Prints the program's processor time to standard error when it ends. */
const told =
  "data:text/javascript,process.on('exit',()=>console.error(JSON.stringify(process.cpuUsage())))"

const ps: Case = {
  name: "cli-ps",
  title: "The command `cordon ps`",
  about: "Processor time, Node's own start included, of the command as it is published.",
  unit: "ms",
  rounds: 20,
  // The first run compiles and fills the compile cache.
  warmUp: 2,
  targets: [{ value: 250 }],
  subjects: async () => {
    await build()
    const program = join(root, "packages/cli/dist/bin.js")
    return [
      {
        name: "cordon",
        run: async ({ record }) => {
          const { stderr } = await node(["--import", told, program, "ps", "--quiet"])
          const { user, system } = JSON.parse(stderr)
          record((user + system) / 1000)
        },
      },
    ]
  },
}

export const startCases: ReadonlyArray<Case> = [imports, ps]
