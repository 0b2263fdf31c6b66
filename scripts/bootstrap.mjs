// Runs a command of this repository on a machine that has only Node (20 or later) and npm: brings a
// recent Node, pnpm and the dependencies first, as far as they are missing. Plain JavaScript, so
// that the Node that is there can run it.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const tools = join(root, ".tools")
const bin = join(tools, "node_modules", ".bin")
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const newerNode = "node@24.21.0"

const commands = {
  demo: ["node", ["--conditions=@cordon/source", "examples/demo.ts"]],
  test: ["pnpm", ["exec", "vitest", "run"]],
  "test:engines": ["pnpm", ["exec", "vitest", "run", "test/engines"]],
  "test:fast": [
    "pnpm",
    [
      ...["exec", "vitest", "run", "--config", "vitest.fast.config.ts"],
      ...["packages", "test/contract/memory.test.ts"],
    ],
  ],
  bench: ["node", ["--conditions=@cordon/source", "bench/main.ts"]],
  soak: ["node", ["--conditions=@cordon/source", "test/faults/soak.ts"]],
  check: ["pnpm", ["run", "run:check"]],
  "install-check": ["node", ["scripts/install-check.ts"]],
  site: ["node", ["scripts/site/build.ts"]],
  registry: ["node", ["scripts/registry.ts"]],
  mutate: ["pnpm", ["exec", "stryker", "run"]],
}

/** Runs a program to its end. With `quiet`, its output is shown only if it fails. */
const run = (program, args, { quiet = false, env = process.env } = {}) => {
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    cwd: root,
    env,
    encoding: "utf8",
    stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit",
    // npm, pnpm and their like are scripts on Windows, which only a shell can run.
    shell: process.platform === "win32",
  })
  if (error !== undefined) console.error(`${program} could not be run: ${error.message}`)
  if (status !== 0 && quiet) console.error(`${stdout ?? ""}${stderr ?? ""}`)
  return status ?? 1
}

const orStop = (status, what) => {
  if (status === 0) return
  console.error(
    `${what} failed. It needs access to the npm registry; what went wrong stands above.`,
  )
  process.exit(status)
}

const versionOf = (name) => {
  const file = join(tools, "node_modules", name, "package.json")
  return existsSync(file) ? `${name}@${JSON.parse(readFileSync(file, "utf8")).version}` : undefined
}

const recentEnough = (version, least) => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map(Number)
  return major > leastMajor || (major === leastMajor && minor >= leastMinor)
}

const least = manifest.engines.node.replace(/[^\d.]/g, "")
const needed = [manifest.packageManager]
if (!recentEnough(process.versions.node, least)) needed.push(newerNode)

if (needed.some((spec) => versionOf(spec.split("@")[0]) !== spec)) {
  console.error(`Installing ${needed.join(" and ")} into .tools`)
  const install = ["install", "--no-save", "--no-audit", "--no-fund", "--prefix", tools, ...needed]
  orStop(run("npm", install, { quiet: true }), `npm ${install.join(" ")}`)
}

const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` }
if (!existsSync(join(root, "node_modules"))) console.error("Installing the dependencies")
orStop(run("pnpm", ["install", "--frozen-lockfile"], { quiet: true, env }), "pnpm install")

const [name = "", ...rest] = process.argv.slice(2)
const command = commands[name]
if (command === undefined) {
  console.error(`Unknown command "${name}"; there are: ${Object.keys(commands).join(", ")}`)
  process.exit(2)
}
const [program, args] = command
process.exitCode = run(program, [...args, ...rest], { env })
