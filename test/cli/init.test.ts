import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { InitReport } from "@cordon/cli"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { afterAll, beforeAll } from "vitest"
import { run } from "./support.ts"

// That what it writes installs, compiles and runs is shown by scripts/install-check.ts.
describe("cordon init", { timeout: 300_000 }, () => {
  let root: string
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "cordon-init-"))
  })
  afterAll(() => rm(root, { recursive: true }))

  const listed = async (folder: string) => (await readdir(folder, { recursive: true })).sort()
  const common = [
    ".gitignore",
    "README.md",
    "package.json",
    "pnpm-workspace.yaml",
    "src/main.ts",
    "tsconfig.json",
  ]

  it("makes a folder with a starter that depends on versions matching the CLI's", async () => {
    const folder = join(root, "new", "My Agent")
    const { code, stdout, stderr } = await run(["init", folder, "--template", "ai-sdk", "--json"])
    assert.strictEqual(code, 0, stderr)
    const report = Schema.decodeUnknownSync(Schema.fromJsonString(InitReport))(stdout)
    assert.deepStrictEqual(report.files, [...common, "src/rehearsedModel.ts"].sort())
    assert.deepStrictEqual(await listed(folder), [...report.files, "src"].sort())
    const written = JSON.parse(await readFile(join(folder, "package.json"), "utf8"))
    const ours = JSON.parse(await readFile("packages/cli/package.json", "utf8"))
    const workspace = JSON.parse(await readFile("package.json", "utf8"))
    assert.strictEqual(written.name, "my-agent")
    assert.deepStrictEqual(written.dependencies, {
      "@cordon/core": `^${ours.version}`,
      "@cordon/driver-docker": `^${ours.version}`,
      "@cordon/tools": `^${ours.version}`,
      ai: workspace.devDependencies.ai,
      effect: ours.peerDependencies.effect,
    })
    assert.strictEqual(written.devDependencies.typescript, workspace.devDependencies.typescript)
  })

  it("writes into the current folder by default, beside existing files, and says what to do next", async () => {
    const folder = join(root, "here")
    await mkdir(folder)
    await writeFile(join(folder, "notes.txt"), "mine")
    const { code, stdout, stderr } = await run(["init"], { cwd: folder })
    assert.strictEqual(code, 0, stderr)
    assert.match(stdout, /^wrote package\.json$/m)
    assert.match(stdout, /^Next: npm install && npm start$/m)
    assert.deepStrictEqual(await listed(folder), [...common, "notes.txt", "src"].sort())
  })

  it("refuses to overwrite a file, and then writes none", async () => {
    const folder = join(root, "taken")
    await mkdir(join(folder, "src"), { recursive: true })
    await writeFile(join(folder, "README.md"), "mine")
    // Leads nowhere: written through, a file would come to be there.
    await symlink(join(root, "outside"), join(folder, "src", "main.ts"))
    const before = await listed(folder)
    const { code, stdout, stderr } = await run(["init", folder, "-t", "effect"])
    assert.strictEqual(code, 1)
    assert.strictEqual(stdout, "")
    assert.match(stderr, /^cordon: .*taken already has README\.md, src\/main\.ts.*Name another/)
    assert.deepStrictEqual(await listed(folder), before)
    assert.strictEqual(await readFile(join(folder, "README.md"), "utf8"), "mine")
    assert.notInclude(await readdir(root), "outside")
  })

  it("leaves no file behind when it fails half-way", async () => {
    const folder = join(root, "half")
    await mkdir(folder)
    // A file where a folder must go, which comes after others.
    await writeFile(join(folder, "src"), "in the way")
    const { code, stderr } = await run(["init", folder])
    assert.strictEqual(code, 1)
    assert.match(stderr, /^cordon: No starter could be written to .*half: .*Check the path/)
    assert.deepStrictEqual(await listed(folder), ["src"])
    const below = await run(["init", join(folder, "src", "deeper")])
    assert.strictEqual(below.code, 1)
    assert.match(below.stderr, /^cordon: No starter could be written/)
  })

  it("refuses an unknown template, and lists those that exist", async () => {
    const { code, stderr, stdout } = await run(["init", join(root, "none"), "-t", "nonsense"])
    assert.notStrictEqual(code, 0)
    assert.match(stdout + stderr, /plain.*ai-sdk.*effect/s)
    assert.notInclude(await readdir(root), "none")
  })
})
