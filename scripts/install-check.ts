// Installs the packed tarballs into an empty project, as a user does: types resolve whatever
// `moduleResolution` the project has, a program runs on each Node that we support, and what comes
// along is told in a table.
import { execFileSync } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const work = mkdtempSync(join(tmpdir(), "cordon-install-"))
const tarballs = join(work, "tarballs")

const run = (program: string, args: ReadonlyArray<string>, cwd: string) =>
  execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })

const json = (file: string, content: object) =>
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`)

/** Name and tarball of each package that would be published. */
const pack = () => {
  mkdirSync(tarballs)
  const packed = readdirSync(join(root, "packages")).map((folder) => {
    const manifest: { readonly name: string } = JSON.parse(
      readFileSync(join(root, "packages", folder, "package.json"), "utf8"),
    )
    const before = new Set(readdirSync(tarballs))
    run("pnpm", ["pack", "--pack-destination", tarballs], join(root, "packages", folder))
    const file = readdirSync(tarballs).find((name) => !before.has(name)) ?? ""
    return [manifest.name, `file:${join(tarballs, file)}`] as const
  })
  return Object.fromEntries(packed)
}

const versionOf = (name: string): string => {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  return manifest.devDependencies[name]
}

const sizeOf = (folder: string): number =>
  readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name)
    return sum + (entry.isDirectory() ? sizeOf(path) : entry.isFile() ? statSync(path).size : 0)
  }, 0)

interface Locked {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** The folders of a package and all that it brings, as npm resolved them. */
const broughtBy = (
  path: string,
  packages: Readonly<Record<string, Locked>>,
  found = new Set<string>(),
): ReadonlySet<string> => {
  if (found.has(path)) return found
  found.add(path)
  const { dependencies, optionalDependencies } = packages[path] ?? {}
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    // In the own folder first, then in that of each one around it.
    let around = path
    while (around !== "" && !(`${around}/node_modules/${name}` in packages)) {
      around = around.slice(0, Math.max(0, around.lastIndexOf("/node_modules/")))
    }
    const place = `${around}${around === "" ? "" : "/"}node_modules/${name}`
    if (place in packages) broughtBy(place, packages, found)
  }
  return found
}

const framework =
  /node_modules\/(?:ai|openai|langchain|@(?:anthropic-ai|langchain|mastra|openai)\/.*)$/

/** What comes along with each package, itself included; effect, which all need, left out. */
const weigh = (packed: Readonly<Record<string, string>>, folder: string) => {
  const { packages } = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8"))
  console.log("package                          packed  brings  installed")
  for (const [name, tarball] of Object.entries(packed)) {
    const brought = [...broughtBy(`node_modules/${name}`, packages)]
    const frameworks = brought.filter((path) => framework.test(path))
    if (frameworks.length > 0) throw new Error(`${name} brings ${frameworks.join(", ")}`)
    const nested = (path: string) => brought.some((other) => path.startsWith(`${other}/`))
    const installed = brought
      // npm leaves an optional one out that it can't build.
      .filter((path) => !nested(path) && existsSync(join(folder, path)))
      .reduce((sum, path) => sum + sizeOf(join(folder, path)), 0)
    const kilobytes = `${(statSync(new URL(tarball)).size / 1000).toFixed(0)} kB`
    const megabytes = `${(installed / 1e6).toFixed(1)} MB`
    console.log(
      `${name.padEnd(32)} ${kilobytes.padStart(6)} ${String(brought.length - 1).padStart(7)} ${megabytes.padStart(10)}`,
    )
  }
}

/** The oldest that we support, and the newest of each line since. */
const nodes = ["22.19.0", "24", "26"]

const program = `import { createSandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { createTools } from "@cordon/tools"
import { aiSdkTools } from "@cordon/tools/ai-sdk"
import { createMcpServer } from "@cordon/mcp"

await using sandboxes = createSandboxes({ driver: memory() })
await using sandbox = await sandboxes.create({ limits: { memory: "256MiB" } })
const { stdout }: { stdout: string } = await sandbox.run("echo installed")

await using toolset = createTools({ driver: memory() })
const { sandbox_list } = aiSdkTools(toolset)
// @ts-expect-error this tool has no such input
const wrong: Parameters<NonNullable<typeof sandbox_list.execute>>[0] = { status: 5 }

await using server = createMcpServer({ driver: memory() })
const { url } = await server.http()
console.log(stdout.trim(), typeof sandbox_list.execute, typeof wrong, new URL(url).hostname)
`

/** An empty project with all our packages, and with what one needs to write a program with them. */
const install = (packed: Readonly<Record<string, string>>) => {
  const folder = join(work, "project")
  mkdirSync(folder)
  const others = ["ai", "effect", "typescript", "@types/node", "zod"]
  json(join(folder, "package.json"), {
    name: "starter",
    private: true,
    type: "module",
    dependencies: {
      ...packed,
      ...Object.fromEntries(others.map((name) => [name, versionOf(name)])),
    },
  })
  run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], folder)
  return folder
}

const use = (folder: string) => {
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
    run("npx", ["tsc"], folder)
    console.log(`ok types with moduleResolution ${moduleResolution}`)
  }
  const expected = "installed function object 127.0.0.1\n"
  for (const version of nodes) {
    const place = join(work, `node-${version}`)
    mkdirSync(place)
    json(join(place, "package.json"), { private: true })
    run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", `node@${version}`], place)
    const node = join(place, "node_modules", "node", "bin", "node")
    const output = run(node, ["dist/main.js"], folder)
    if (output !== expected) throw new Error(`the program printed ${JSON.stringify(output)}`)
    console.log(`ok runs on Node ${run(node, ["--version"], folder).trim()}`)
  }
}

try {
  const packed = pack()
  const folder = install(packed)
  use(folder)
  weigh(packed, folder)
} finally {
  rmSync(work, { recursive: true })
}
