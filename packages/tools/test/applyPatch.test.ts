import { assert, describe, it } from "@effect/vitest"
import { openBox } from "./extraBox.ts"

const tool = "sandbox_apply_patch"

type Box = Awaited<ReturnType<typeof openBox>>

const write = async (box: Box, files: Readonly<Record<string, string>>) => {
  for (const [path, text] of Object.entries(files)) await box.sandbox.files.write(path, text)
}

/** What files hold; undefined where there is none. */
const read = async (box: Box, ...paths: ReadonlyArray<string>) =>
  await Promise.all(
    paths.map(async (path) =>
      (await box.sandbox.files.exists(path)) ? await box.sandbox.files.readText(path) : undefined,
    ),
  )

const patchOf = (...lines: ReadonlyArray<string>) => ({ patch: lines.join("\n") })
const begin = (...lines: ReadonlyArray<string>) =>
  patchOf("*** Begin Patch", ...lines, "*** End Patch")

const app = "import x\n\nfunction a() {\n  return 1\n}\n\nfunction b() {\n  return 1\n}\n"

describe("sandbox_apply_patch with the form that begins with *** Begin Patch", () => {
  it("adds, updates, moves and removes files", async () => {
    await using box = await openBox()
    await write(box, { "src/a.js": app, "old.txt": "x\n", "gone.txt": "y\n" })
    const input = begin(
      "*** Add File: docs/new.md",
      "+# New",
      "+",
      "+text",
      "*** Update File: src/a.js",
      "@@",
      "-import x",
      "+import y",
      " ",
      "@@ function b() {",
      "-  return 1",
      "+  return 2",
      "*** Update File: old.txt",
      "*** Move to: moved.txt",
      "@@",
      "-x",
      "+z",
      "*** Delete File: gone.txt",
    )
    const { text } = await box.ok(tool, input)
    assert.deepStrictEqual(await read(box, "docs/new.md", "old.txt", "moved.txt", "gone.txt"), [
      "# New\n\ntext\n",
      undefined,
      "z\n",
      undefined,
    ])
    const [after] = await read(box, "src/a.js")
    assert.strictEqual(
      after,
      app.replace("import x", "import y").replace("b() {\n  return 1", "b() {\n  return 2"),
    )
    assert.match(text, /Added \/.*docs\/new\.md\nUpdated \/.*a\.js\nRemoved .*old\.txt/)
  })

  it("inserts after a named line, and at the end of a file", async () => {
    await using box = await openBox()
    await write(box, { f: "one\ntwo\nthree\n" })
    await box.ok(tool, begin("*** Update File: f", "@@ one", "+1.5", "@@", "+four"))
    assert.deepStrictEqual(await read(box, "f"), ["one\n1.5\ntwo\nthree\nfour\n"])
    await box.ok(tool, begin("*** Update File: f", "@@", "-four", "+4", "*** End of File"))
    assert.deepStrictEqual(await read(box, "f"), ["one\n1.5\ntwo\nthree\n4\n"])
  })

  it("accepts a patch in a code fence, and a blank line without its leading space", async () => {
    await using box = await openBox()
    await write(box, { f: "one\n\ntwo\n" })
    const { patch } = begin("*** Update File: f", "@@", " one", "", "-two", "+2", "")
    await box.ok(tool, { patch: `\`\`\`\n${patch}\n\`\`\`\n` })
    assert.deepStrictEqual(await read(box, "f"), ["one\n\n2\n"])
  })

  it.each([
    [["*** Update File: f", "@@", "-one", "+two", "three"], /line 6 of the patch: each line/],
    [["*** Add File: g", "one"], /line 3 of the patch: each line of a new file/],
    [["*** Change File: f"], /line 2 of the patch: .*is expected/],
    [["*** Update File: f"], /nothing is changed in .f/],
    [[], /changes no file/],
  ])("refuses %j", async (lines, message) => {
    await using box = await openBox()
    await write(box, { f: "one\n" })
    await box.failed(tool, begin(...lines), "InvalidInput", message)
    assert.deepStrictEqual(await read(box, "f", "g"), ["one\n", undefined])
  })

  it("refuses a patch without an end marker, which may be truncated", async () => {
    await using box = await openBox()
    const cut = patchOf("*** Begin Patch", "*** Add File: f", "+one")
    await box.failed(tool, cut, "InvalidInput", /no .*End Patch/)
  })
})

describe("sandbox_apply_patch with a unified diff", () => {
  it("applies a diff of git's with wrong line numbers and counts", async () => {
    await using box = await openBox()
    await write(box, { "src/a.js": app, "old.txt": "a\nb\n", "gone.txt": "y\n" })
    const input = patchOf(
      "Here it is:",
      "diff --git a/src/a.js b/src/a.js",
      "index 123..456 100644",
      "--- a/src/a.js",
      "+++ b/src/a.js",
      "@@ -70,9 +70,1 @@ function b() {",
      " function b() {",
      "-  return 1",
      "+  return 2",
      " }",
      "diff --git a/run.sh b/run.sh",
      "new file mode 100755",
      "--- /dev/null",
      "+++ b/run.sh",
      "@@ -0,0 +1,1 @@",
      "+echo hi",
      "diff --git a/old.txt b/moved.txt",
      "similarity index 50%",
      "rename from old.txt",
      "rename to moved.txt",
      "--- a/old.txt",
      "+++ b/moved.txt",
      "@@ -1,2 +1,2 @@",
      " a",
      "-b",
      "+c",
      "diff --git a/gone.txt b/gone.txt",
      "deleted file mode 100644",
      "--- a/gone.txt",
      "+++ /dev/null",
      "@@ -1 +0,0 @@",
      "-y",
      "-- ",
      "2.39.5",
      "",
    )
    await box.ok(tool, input)
    assert.deepStrictEqual(await read(box, "run.sh", "old.txt", "moved.txt", "gone.txt"), [
      "echo hi\n",
      undefined,
      "a\nc\n",
      undefined,
    ])
    const [after] = await read(box, "src/a.js")
    assert.strictEqual(after, app.replace("b() {\n  return 1", "b() {\n  return 2"))
    assert.strictEqual((await box.sandbox.files.stat("run.sh")).mode & 0o777, 0o755)
  })

  it("picks the place that its line number gives, if several match", async () => {
    await using box = await openBox()
    await write(box, { f: "x\na\nx\na\nx\na\n" })
    await box.ok(tool, patchOf("--- f", "+++ f", "@@ -3,2 +3,2 @@", "-x", "+y", " a"))
    assert.deepStrictEqual(await read(box, "f"), ["x\na\ny\na\nx\na\n"])
  })

  it("follows the patch on whether a file ends with a line break", async () => {
    await using box = await openBox()
    const no = "\\ No newline at end of file"
    await write(box, { f: "a\nb" })
    await box.ok(tool, patchOf("--- f", "+++ f", "@@ -2 +2 @@", "-b", no, "+c"))
    assert.deepStrictEqual(await read(box, "f"), ["a\nc\n"])
    await box.ok(tool, patchOf("--- f", "+++ f", "@@ -2 +2 @@", "-c", "+d", no))
    assert.deepStrictEqual(await read(box, "f"), ["a\nd"])
    await box.ok(tool, patchOf("--- f", "+++ f", "@@ -1 +1 @@", "-a", "+e", " d"))
    assert.deepStrictEqual(await read(box, "f"), ["e\nd"])
  })

  it("does not mistake a removed line for a file name", async () => {
    await using box = await openBox()
    await write(box, { "f.sql": "-- old\nselect 1\n" })
    const input = patchOf(
      "--- f.sql",
      "+++ f.sql",
      "@@ -1 +1 @@",
      "--- old",
      "+-- new",
      " select 1",
    )
    await box.ok(tool, input)
    assert.deepStrictEqual(await read(box, "f.sql"), ["-- new\nselect 1\n"])
  })

  it("refuses a hunk without a file, and binary files", async () => {
    await using box = await openBox()
    await box.failed(tool, patchOf("@@ -1 +1 @@", "-a", "+b"), "InvalidInput", /line 1 .*names/)
    const binary = patchOf("diff --git a/x b/x", "Binary files a/x and b/x differ")
    await box.failed(tool, binary, "InvalidInput", /line 2 .*binary/)
  })
})

describe("sandbox_apply_patch", () => {
  it("changes nothing when one part does not fit", async () => {
    await using box = await openBox()
    const files = { f: "one\n", g: "two\ntwo\n" }
    await write(box, files)
    const update = (path: string, old: string) => [
      `*** Update File: ${path}`,
      "@@",
      `-${old}`,
      "+x",
    ]
    for (const [lines, message] of [
      [update("g", "three"), /"g" was not changed: 1 line of a hunk .*"three" do not occur/],
      [update("g", "two"), /"g" was not changed: .*more than once \(lines 1, 2\)/],
      [update("h", "two"), /"h" was not changed: there is no such file/],
      [["*** Add File: g", "+x"], /already exists/],
      [["*** Delete File: h"], /no such file/],
      [["*** Update File: g", "*** Move to: f"], /can't be moved there/],
      [["*** Update File: g", "@@ nowhere", "+x"], /"nowhere" after @@ is not in it/],
    ] as const) {
      const input = begin(...update("f", "one"), ...lines)
      await box.failed(tool, input, "EditRefused", message)
      assert.deepStrictEqual(await read(box, "f", "g", "h"), [files.f, files.g, undefined])
    }
  })

  it("restores files when a later one can't be written", async () => {
    await using box = await openBox()
    await write(box, { f: "one\n", gone: "g\n", file: "in the way\n" })
    const input = begin(
      "*** Update File: f",
      "@@",
      "-one",
      "+two",
      "*** Add File: new",
      "+new",
      "*** Delete File: gone",
      "*** Add File: file/below",
      "+x",
    )
    const result = await box.call(tool, input)
    assert.isFalse(result.ok, result.text)
    assert.deepStrictEqual(await read(box, "f", "new", "gone", "file"), [
      "one\n",
      undefined,
      "g\n",
      "in the way\n",
    ])
  })

  it("keeps CR LF, and applies several changes of a file one after the other", async () => {
    await using box = await openBox()
    await write(box, { f: "one\r\ntwo\r\n" })
    const update = (old: string, now: string) => ["*** Update File: f", "@@", `-${old}`, `+${now}`]
    await box.ok(tool, begin(...update("one", "1"), ...update("1", "I"), ...update("two", "2")))
    assert.deepStrictEqual(await read(box, "f"), ["I\r\n2\r\n"])
  })

  it("refuses too many hunks for a large file", async () => {
    await using box = await openBox()
    await write(box, { f: "\n".repeat(1_000_000) })
    const hunks = Array.from({ length: 100 }, () => ["@@", "-x", "+y"]).flat()
    await box.failed(tool, begin("*** Update File: f", ...hunks), "EditRefused", /too many/)
  })
})
