// Installs the packed tarballs from a local registry into empty projects, as users do. Checks that
// types resolve with every `moduleResolution`, that a program runs on each supported Node, that the
// files of `cordon init` and the commands of the first page work word for word, and that no package
// grows unnoticed.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { noEngine } from "../test/support/docker.ts"
import { type Packed, packAll, root, run } from "./install/pack.ts"
import { serveRegistry } from "./install/registry.ts"
import { checkSizes, weigh } from "./install/sizes.ts"
import { refusesOldNode, tryStarters } from "./install/starters.ts"
import { walk } from "./install/walk.ts"

const work = mkdtempSync(join(tmpdir(), "cordon-install-"))

const json = (file: string, content: object) =>
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`)

const versionOf = (name: string): string => {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  return manifest.devDependencies[name]
}

const npmInstall = (folder: string, env: NodeJS.ProcessEnv, ...more: ReadonlyArray<string>) =>
  run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...more], folder, env)

/** The oldest that we support, and the newest of each line since. */
const nodes = ["22.19.0", "24", "26"]

const program = `import { createSandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { aiSdkSandbox } from "@cordon/slots/ai-sdk"
import { createTools } from "@cordon/tools"
import { aiSdkTools } from "@cordon/tools/ai-sdk"
import { createMcpServer } from "@cordon/mcp"
import { Sandbox } from "cordon"

await using box = await Sandbox.create({ driver: memory() })
const one: { stdout: string } = await box.run("echo one import")
await using sandboxes = createSandboxes({ driver: memory() })
await using sandbox = await sandboxes.create({ limits: { memory: "256MiB" } })
const { stdout }: { stdout: string } = await aiSdkSandbox(sandbox).run({ command: "echo installed" })

await using toolset = createTools({ driver: memory() })
const { sandbox_list } = aiSdkTools(toolset)
// @ts-expect-error this tool has no such input
const wrong: Parameters<NonNullable<typeof sandbox_list.execute>>[0] = { status: 5 }

await using server = createMcpServer({ driver: memory() })
const { url } = await server.http()
console.log(one.stdout.trim(), stdout.trim(), typeof sandbox_list.execute, typeof wrong, new URL(url).hostname)
`

/** An empty project with all our packages, and with what one needs to write a program with them. */
const install = async (packages: ReadonlyArray<Packed>, env: NodeJS.ProcessEnv) => {
  const folder = join(work, "project")
  mkdirSync(folder)
  const others = ["ai", "effect", "typescript", "@types/node", "zod"]
  json(join(folder, "package.json"), {
    name: "starter",
    private: true,
    type: "module",
    dependencies: {
      // npm asks our registry only for packages of our scope.
      ...Object.fromEntries(
        packages.map(({ name, version, file }) => [
          name,
          name.startsWith("@") ? version : `file:${file}`,
        ]),
      ),
      ...Object.fromEntries(others.map((name) => [name, versionOf(name)])),
    },
  })
  await npmInstall(folder, env)
  return folder
}

/** Gives the program of a line of Node. */
const installNode = async (version: string) => {
  const place = join(work, `node-${version}`)
  mkdirSync(place)
  json(join(place, "package.json"), { private: true })
  await npmInstall(place, process.env, `node@${version}`)
  return join(place, "node_modules", "node", "bin", "node")
}

const use = async (folder: string) => {
  writeFileSync(join(folder, "main.ts"), program)
  for (const [moduleResolution, module] of [
    ["node16", "node16"],
    ["nodenext", "nodenext"],
    ["bundler", "esnext"],
  ] as const) {
    json(join(folder, "tsconfig.json"), {
      compilerOptions: {
        module,
        moduleResolution,
        target: "es2023",
        lib: ["es2024", "esnext.disposable"],
        types: ["node"],
        strict: true,
        outDir: "dist",
        skipLibCheck: true,
      },
      include: ["main.ts"],
    })
    await run("npx", ["tsc"], folder)
    console.log(`ok types with moduleResolution ${moduleResolution}`)
  }
  const expected = "one import installed function object 127.0.0.1\n"
  for (const version of nodes) {
    const node = await installNode(version)
    const output = await run(node, ["dist/main.js"], folder)
    if (output !== expected) throw new Error(`the program printed ${JSON.stringify(output)}`)
    console.log(`ok runs on Node ${(await run(node, ["--version"], folder)).trim()}`)
  }
}

try {
  const tarballs = join(work, "tarballs")
  mkdirSync(tarballs)
  const packages = await packAll(tarballs)
  await using registry = await serveRegistry(packages, work)
  const env = {
    ...process.env,
    NPM_CONFIG_USERCONFIG: registry.npmrc,
    // A reader says yes where npx asks whether it may install.
    npm_config_yes: "true",
    // Later projects reuse the packages that an earlier one fetched.
    npm_config_prefer_offline: "true",
  }
  const folder = await install(packages, env)
  await use(folder)
  const oldNode = await installNode("20")
  await refusesOldNode(
    oldNode,
    folder,
    // This one has subpaths only.
    packages.map(({ name }) => (name === "@cordon/slots" ? `${name}/ai-sdk` : name)),
  )
  await tryStarters({ project: folder, work, env, npmrc: registry.npmrc, noEngine, oldNode })
  if (noEngine === undefined) {
    // The page assumes Node 24, so this does not use the current Node.
    const bin = join(work, "node-24", "node_modules", ".bin")
    const reader = { ...env, PATH: `${bin}${delimiter}${process.env["PATH"]}` }
    await walk("docs/getting-started.md", join(work, "newcomer"), reader)
    console.log("ok docs/getting-started.md, word for word")
  } else console.log(`skipped docs/getting-started.md: ${noEngine}`)
  checkSizes(weigh(packages, folder), process.argv.includes("--update-sizes"))
} finally {
  rmSync(work, { recursive: true })
}
