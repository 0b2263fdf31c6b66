import { assert, describe, it } from "@effect/vitest"
import { openBox } from "./extraBox.ts"

type Box = Awaited<ReturnType<typeof openBox>>

const write = async (box: Box, files: Readonly<Record<string, string>>) => {
  for (const [path, text] of Object.entries(files)) await box.sandbox.files.write(path, text)
}

const project = {
  "a.ts": "export const a = 1\n",
  "src/b.ts": "import { a } from '../a'\nconst B = a + 1\n",
  "src/c.tsx": "const c = 1\n",
  "src/deep/d.ts": "// A\n",
  "node_modules/x/e.ts": "const a = 1\n",
  ".git/f.ts": "const a = 1\n",
  "lib/g.js": "a\n",
}

describe("sandbox_glob", () => {
  it.each([
    [{ pattern: "**/*.ts" }, ["a.ts", "src/b.ts", "src/deep/d.ts"]],
    [{ pattern: "*.ts" }, ["a.ts", "src/b.ts", "src/deep/d.ts"]],
    [{ pattern: "src/*.{ts,tsx}" }, ["src/b.ts", "src/c.tsx"]],
    [{ pattern: "*.ts", path: "src" }, ["src/b.ts", "src/deep/d.ts"]],
    [{ pattern: "./src/*.ts" }, ["src/b.ts"]],
    [{ pattern: "{lib,none}/*" }, ["lib/g.js"]],
    [{ pattern: "src/b.ts" }, ["src/b.ts"]],
    [{ pattern: "node_modules/**" }, ["node_modules/x/e.ts"]],
    [{ pattern: "s*/" }, ["src"]],
    [{ pattern: "**/d*/" }, ["src/deep"]],
    [{ pattern: "*.py" }, []],
  ])("finds with %j", async (input, expected) => {
    await using box = await openBox()
    await write(box, project)
    const { text, paths } = await box.ok("sandbox_glob", input)
    assert.deepStrictEqual(paths, expected)
    assert.strictEqual(text, expected.length === 0 ? "No file fits." : expected.join("\n"))
  })

  it("finds by an absolute path, and outside the working directory", async () => {
    await using box = await openBox()
    await write(box, { "/opt/x/y.conf": "", "/opt/z.conf": "" })
    const { paths } = await box.ok("sandbox_glob", { pattern: "/opt/**/*.conf" })
    assert.deepStrictEqual(paths, ["/opt/x/y.conf", "/opt/z.conf"])
  })

  it("fails for a missing folder, and for a pattern that is too complex", async () => {
    await using box = await openBox()
    const input = { pattern: "*.ts", path: "nowhere" }
    await box.failed("sandbox_glob", input, "FileNotFound", /no file at/)
    const many = { pattern: "{a,b}".repeat(20) }
    await box.failed("sandbox_glob", many, "InvalidInput", /too many alternatives/)
  })

  it("writes all paths to a file when it shows only some", async () => {
    await using box = await openBox()
    const names = Array.from({ length: 1200 }, (_, nth) => `f-${String(nth).padStart(4, "0")}`)
    await write(box, Object.fromEntries(names.map((name) => [name, ""])))
    const { text, paths } = await box.ok("sandbox_glob", { pattern: "f-*" })
    assert.deepStrictEqual(paths, names.slice(0, 1000))
    const [, file = ""] = /1,000 of 1,200 paths.* All of it is in (\S+): /.exec(text) ?? []
    assert.strictEqual(await box.sandbox.files.readText(file), `${names.join("\n")}\n`)
    assert.strictEqual((await box.sandbox.files.stat(file)).mode & 0o777, 0o600)
  })
})

describe("sandbox_grep", () => {
  it.each([
    [{ pattern: "^const" }, "src/b.ts:2: const B = a + 1\nsrc/c.tsx:1: const c = 1"],
    [{ pattern: "const [a-z] =" }, "a.ts:1: export const a = 1\nsrc/c.tsx:1: const c = 1"],
    [{ pattern: "a + 1" }, "No line matches."],
    [{ pattern: "a + 1", literal: true }, "src/b.ts:2: const B = a + 1"],
    [{ pattern: "// a", ignore_case: true }, "src/deep/d.ts:1: // A"],
    [{ pattern: "a", include: "*.js" }, "lib/g.js:1: a"],
    [
      { pattern: "1", include: "src/*.{ts,tsx}" },
      "src/b.ts:2: const B = a + 1\nsrc/c.tsx:1: const c = 1",
    ],
    [{ pattern: "1", include: "src/*.ts" }, "src/b.ts:2: const B = a + 1"],
    [{ pattern: "[aA]", include: "src/deep/" }, "src/deep/d.ts:1: // A"],
    [{ pattern: "a", path: "lib" }, "lib/g.js:1: a"],
    [{ pattern: "1", path: "src/b.ts" }, "src/b.ts:2: const B = a + 1"],
    [{ pattern: "a", path: "src", files_only: true }, "src/b.ts:1: 2 lines"],
  ])("finds with %j", async (input, expected) => {
    await using box = await openBox()
    await write(box, project)
    const { text } = await box.ok("sandbox_grep", input)
    assert.strictEqual(text.split("\n").sort().join("\n"), expected)
  })

  it("fails for a missing path, and for an invalid pattern", async () => {
    await using box = await openBox()
    const away = { pattern: "a", path: "nowhere" }
    await box.failed("sandbox_grep", away, "FileNotFound", /no file at/)
    await box.failed("sandbox_grep", { pattern: "a\nb" }, "InvalidInput", /line breaks/)
    await box.failed("sandbox_grep", { pattern: "(" }, "InvalidInput", /regular expression/)
  })

  it("shows some of many lines, shortens long ones, and writes all to a file", async () => {
    await using box = await openBox()
    await write(box, { f: "x y\n".repeat(300), g: `${"x".repeat(900)}\n` })
    const { text, matches, found } = await box.ok("sandbox_grep", { pattern: "x", path: "f" })
    assert.strictEqual(found, 300)
    assert(Array.isArray(matches))
    assert.lengthOf(matches, 200)
    const [, file = ""] = /200 of 300 lines are shown\. All of it is in (\S+): /.exec(text) ?? []
    assert.lengthOf((await box.sandbox.files.readText(file)).split("\n"), 301)
    const long = await box.ok("sandbox_grep", { pattern: "xx", path: "g" })
    assert.match(long.text, /^g:1: x{500}\.\.\.\n\[1 of 1 lines are shown, long lines in part/)
  })

  it("keeps at most 20 result files in a sandbox", async () => {
    await using box = await openBox()
    await write(box, { f: "x\n".repeat(300) })
    for (let nth = 0; nth < 22; nth += 1) await box.ok("sandbox_grep", { pattern: "x" })
    assert.lengthOf(await box.sandbox.files.list("/tmp/cordon-output"), 20)
  })
})
