import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { deadLinks } from "../../scripts/install/links.ts"
import { run } from "../../scripts/install/pack.ts"
import { repositoryOf } from "../../scripts/install/repository.ts"
import { outgrown } from "../../scripts/install/sizes.ts"

const root = join(import.meta.dirname, "../..")
const folders = readdirSync(join(root, "packages"))
const manifestOf = (folder: string, base = root) =>
  JSON.parse(readFileSync(join(base, "packages", folder, "package.json"), "utf8"))

describe("the packages", () => {
  it("are ready to be published with provenance", () => {
    for (const folder of folders) {
      const manifest = manifestOf(folder)
      const { name, license, description, engines, files, publishConfig, repository } = manifest
      assert.includeMembers(manifest.keywords, ["sandbox", "agent"], name)
      assert.match(name, /^(?:@cordon\/[a-z-]+|cordon)$/)
      assert.strictEqual(license, "Apache-2.0", name)
      assert.isNotEmpty(description, name)
      assert.match(engines.node, /^>=22\.19/, name)
      assert.includeMembers(files, ["dist", "src"], name)
      assert.deepStrictEqual(publishConfig, { access: "public", provenance: true }, name)
      assert.isTrue(existsSync(join(root, "packages", folder, "README.md")), name)
      if (repository !== undefined) assert.strictEqual(repository.directory, `packages/${folder}`)
    }
  })

  it("have READMEs whose links work for a reader of the package alone", () => {
    const files = new Set(["README.md", "LICENSE", "docs/a.md"])
    const text = [
      "[a](docs/a.md#there) [b](https://example.com/x.md) [c](#here) ![d](LICENSE)",
      "[e](../../README.md) [f]: [g][g] [h](docs/b%20c.md) `[i](code)`",
      "",
      "```md",
      "[j](code)",
      "```",
      "[g]: ../g.md",
    ].join("\n")
    const dead = ["../../README.md", "docs/b%20c.md", "../g.md"]
    assert.deepStrictEqual(deadLinks("README.md", text, files), dead)
    assert.deepStrictEqual(deadLinks("docs/x.md", "[a](a.md) [b](b.md)", files), ["b.md"])
    for (const folder of folders) {
      const readme = readFileSync(join(root, "packages", folder, "README.md"), "utf8")
      assert.deepStrictEqual(deadLinks("README.md", readme, files), [], folder)
    }
  })

  it("get one new version together, and a changelog with the change", {
    timeout: 300_000,
  }, async () => {
    const copy = mkdtempSync(join(tmpdir(), "cordon-release-"))
    try {
      for (const file of ["package.json", "pnpm-workspace.yaml", "pnpm-lock.yaml", ".changeset"]) {
        cpSync(join(root, file), join(copy, file), { recursive: true })
      }
      for (const folder of folders) {
        const file = join("packages", folder, "package.json")
        cpSync(join(root, file), join(copy, file))
      }
      writeFileSync(
        join(copy, ".changeset", "a-change.md"),
        '---\n"@cordon/core": minor\n---\n\nSomething that users notice.\n',
      )
      const before: string = manifestOf("core").version
      const [major = 0, minor = 0] = before.split(".").map(Number)
      await run("git", ["init", "-q", "-b", "main"], copy)
      const changeset = join(root, "node_modules/.bin/changeset")
      await run(changeset, ["version"], copy)
      const versions = new Set(folders.map((folder) => manifestOf(folder, copy).version))
      assert.deepStrictEqual([...versions], [`${major}.${minor + 1}.0`])
      const log = readFileSync(join(copy, "packages/core/CHANGELOG.md"), "utf8")
      assert.match(log, /Something that users notice/)
    } finally {
      rmSync(copy, { recursive: true })
    }
  })
})

describe("the release", () => {
  it("derives the repository's URL from git's remote", () => {
    const expected = "git+https://git.example.com/team/cordon.git"
    for (const remote of [
      "https://git.example.com/team/cordon",
      "https://git.example.com/team/cordon.git",
      "git@git.example.com:team/cordon.git",
      "ssh://git@git.example.com/team/cordon.git",
    ]) {
      assert.strictEqual(repositoryOf(remote), expected, remote)
    }
    for (const remote of ["", "/srv/cordon", "file:///srv/cordon", "../cordon.git"]) {
      assert.isUndefined(repositoryOf(remote), remote)
    }
  })

  it("fails for a package above its size budget", () => {
    const page = readFileSync(join(root, "docs/sizes.md"), "utf8")
    const rows = [...page.matchAll(/^\| `(\S+)` \| (\d+) kB \| (\d+) \| ([\d.]+) MB \|$/gm)]
    const sizes = rows.map(([, name = "", packed, brings, installed]) => ({
      name,
      packed: Number(packed),
      brings: Number(brings),
      installed: Number(installed),
    }))
    assert.sameMembers(
      sizes.map(({ name }) => name),
      folders.map((folder) => manifestOf(folder).name),
    )
    assert.deepStrictEqual(outgrown(sizes, page), [])
    const [first] = sizes
    assert.exists(first)
    const grown = { ...first, packed: first.packed * 2 + 20, brings: first.brings * 2 + 5 }
    assert.lengthOf(outgrown([grown], page), 2)
    assert.deepStrictEqual(outgrown([{ ...first, name: "@cordon/new" }], page), [
      "@cordon/new is not in the table",
    ])
  })
})
