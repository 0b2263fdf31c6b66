import { execFile } from "node:child_process"
import { copyFileSync } from "node:fs"
import { join } from "node:path"
import { run } from "./pack.ts"

/** A package manager: installs packages and runs scripts. */
export interface Manager {
  readonly name: string
  readonly program: string
  readonly install: ReadonlyArray<string>
}

const npm: Manager = {
  name: "npm",
  program: "npm",
  install: ["install", "--no-audit", "--no-fund", "--loglevel=error"],
}
// Neither requires an existing lockfile, as they would in CI.
const pnpm: Manager = {
  name: "pnpm",
  program: "pnpm",
  install: ["install", "--no-frozen-lockfile"],
}
const bun = (program: string): Manager => ({ name: "bun", program, install: ["install"] })

const primes = /primes: 2 3 5 7 11 13 17 19 23 29\nexit code 1: .*missing\.txt.*\n$/

/** The last output of each starter. */
const printed = {
  plain: primes,
  effect: primes,
  "ai-sdk": /^ {4}2 3 5 7 11 13 17 19 23 29$/m,
} as const
type Template = keyof typeof printed

/** Runs a program that has to fail, and gives all that it said. */
const failing = (
  program: string,
  args: ReadonlyArray<string>,
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(program, args, { cwd, env, encoding: "utf8" }, (error, stdout, stderr) => {
      const said = `${stdout}${stderr}`
      if (error === null) reject(new Error(`${program} ${args.join(" ")} succeeded:\n${said}`))
      else resolve(said)
    })
  })

const mustSay = (said: string, words: string, who: string) => {
  if (!said.includes(words)) throw new Error(`${who} does not say "${words}", but\n${said}`)
}

/** The one-line error on a Node that is too old. */
export const refusesOldNode = async (
  node: string,
  project: string,
  packages: ReadonlyArray<string>,
): Promise<void> => {
  const version = (await run(node, ["--version"], project)).trim().replace("v", "")
  const line = `Cordon needs Node 22.19 or later; this is Node ${version}.`
  const bin = join(project, "node_modules/@cordon/cli/dist/bin.js")
  const said = await failing(node, [bin, "--version"], project, process.env)
  if (said !== `${line}\n`) throw new Error(`cordon says on Node ${version}\n${said}`)
  for (const name of packages) {
    const importing = ["-e", `import(${JSON.stringify(name)})`]
    mustSay(await failing(node, importing, project, process.env), line, name)
  }
  console.log(`ok refuses Node ${version} in a line`)
}

/** Options for trying the starters. */
export interface StarterOptions {
  /** A project that has the `cordon` command. */
  readonly project: string
  /** The folder for the starters. */
  readonly work: string
  readonly env: NodeJS.ProcessEnv
  /** The npmrc that finds our packages. */
  readonly npmrc: string
  /** Why none can run here; undefined where they can. */
  readonly noEngine: string | undefined
  readonly oldNode: string
}

const tryStarter = async (template: Template, manager: Manager, options: StarterOptions) => {
  const { project, work, env, noEngine } = options
  const title = `cordon init --template ${template} with ${manager.name}`
  const folder = join(work, `${template}-${manager.name}`)
  await run("npx", ["cordon", "init", folder, "--template", template], project)
  // Not every package manager reads an npmrc from another place.
  copyFileSync(options.npmrc, join(folder, ".npmrc"))
  await run(manager.program, manager.install, folder, env)
  if (noEngine === undefined) {
    const output = await run(manager.program, ["run", "start"], folder, env)
    if (!printed[template].test(output)) throw new Error(`${title} printed\n${output}`)
    console.log(`ok ${title} runs`)
  } else {
    await run("npx", ["tsc"], folder)
    console.log(`ok ${title} compiles; not run: ${noEngine}`)
  }
  const main = ["dist/main.js"]
  const away = { ...env, CONTAINER_SANDBOX_DOCKER_HOST: "unix:///nonexistent.sock" }
  const said = await failing(process.execPath, main, folder, away)
  mustSay(said, "npx @cordon/cli doctor", `${title}, without an engine,`)
  mustSay(await failing(options.oldNode, main, folder, env), "Cordon needs Node", title)
  console.log(`ok ${title} ends with an error where there is no engine, and on an old Node`)
}

/** Installs and starts what `cordon init` writes, with each package manager. */
export const tryStarters = async (options: StarterOptions): Promise<void> => {
  const { work, env } = options
  await run("npm", ["install", "--no-save", "--prefix", join(work, "bun"), "bun@1"], work, env)
  for (const template of ["plain", "effect", "ai-sdk"] as const) {
    await tryStarter(template, npm, options)
  }
  // It has all that the others need.
  await tryStarter("ai-sdk", pnpm, options)
  await tryStarter("ai-sdk", bun(join(work, "bun/node_modules/.bin/bun")), {
    ...options,
    // A cache of its own: the usual one may hold our packages as they were, under the same version.
    env: { ...env, BUN_INSTALL_CACHE_DIR: join(work, "bun-cache") },
  })
}
