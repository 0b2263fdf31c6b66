import { assert, describe, it } from "@effect/vitest"
import { openBox } from "./extraBox.ts"

const edit = "sandbox_edit_file"

describe("sandbox_edit_file", () => {
  it("replaces the only occurrence of the text, and nothing else", async () => {
    await using box = await openBox()
    await box.sandbox.files.write("a.js", "let a = 1\nlet b = 2\nlet c = 3\n", { mode: 0o755 })
    const input = { path: "a.js", old_string: "b = 2\nlet", new_string: "b = 4\n\tlet" }
    const done = await box.ok(edit, input)
    assert.strictEqual(
      await box.sandbox.files.readText("a.js"),
      "let a = 1\nlet b = 4\n\tlet c = 3\n",
    )
    assert.strictEqual((await box.sandbox.files.stat("a.js")).mode & 0o777, 0o755)
    assert.match(done.text, /^Replaced 1 place in \/.*\/a\.js \(line 2\)\.$/)
  })

  it("treats its input as literal text: no pattern, no group", async () => {
    await using box = await openBox()
    await box.sandbox.files.write("a", "x.*$& (y)")
    await box.ok(edit, { path: "a", old_string: ".*$&", new_string: "$1$$\\n" })
    assert.strictEqual(await box.sandbox.files.readText("a"), "x$1$$\\n (y)")
  })

  it("refuses a text that occurs more than once, and gives its lines", async () => {
    await using box = await openBox()
    const text = "a\nb\na\na\n"
    await box.sandbox.files.write("f", text)
    const input = { path: "f", old_string: "a\n", new_string: "c\n" }
    await box.failed(edit, input, "EditRefused", /3 times \(lines 1, 3, 4\).*replace_all/)
    assert.strictEqual(await box.sandbox.files.readText("f"), text)
    const done = await box.ok(edit, { ...input, replace_all: true })
    assert.strictEqual(await box.sandbox.files.readText("f"), "c\nb\nc\nc\n")
    assert.match(done.text, /Replaced 3 places .*lines 1, 3, 4/)
    await box.sandbox.files.write("f", "x\n".repeat(5000))
    const many = { path: "f", old_string: "x", new_string: "y" }
    await box.failed(edit, many, "EditRefused", /more than 1,000 times \(lines 1, .*10 and more\)/)
  })

  it("counts overlapping occurrences as several, and replaces those that do not overlap", async () => {
    await using box = await openBox()
    await box.sandbox.files.write("f", "aaa")
    const input = { path: "f", old_string: "aa", new_string: "b" }
    await box.failed(edit, input, "EditRefused", /2 times \(lines 1, 1\)/)
    await box.ok(edit, { ...input, replace_all: true })
    assert.strictEqual(await box.sandbox.files.readText("f"), "ba")
  })

  it("refuses a missing text, and says where it occurs with other whitespace", async () => {
    await using box = await openBox()
    await box.sandbox.files.write("f", "one\n  if (x) {\n    y()\n  }\n")
    const other = { path: "f", old_string: "if (x) {\n  y()", new_string: "z" }
    await box.failed(edit, other, "EditRefused", /other blanks it stands at line 2/)
    const absent = { path: "f", old_string: "nothing", new_string: "z" }
    await box.failed(edit, absent, "EditRefused", /is not in the file\. Read the file/)
  })

  it("refuses an edit that changes nothing", async () => {
    await using box = await openBox()
    await box.sandbox.files.write("f", "one")
    const same = { path: "f", old_string: "one", new_string: "one" }
    await box.failed(edit, same, "EditRefused", /are the same/)
    const empty = { path: "f", old_string: "", new_string: "one" }
    await box.failed(edit, empty, "EditRefused", /is empty/)
  })

  it("refuses a file that is binary, too large or missing", async () => {
    await using box = await openBox()
    const input = { path: "f", old_string: "a", new_string: "b" }
    await box.failed(edit, input, "FileNotFound", /no file at/)
    for (const bytes of [Uint8Array.of(97, 0, 98), Uint8Array.of(97, 0xff)]) {
      await box.sandbox.files.write("f", bytes)
      await box.failed(edit, input, "EditRefused", /binary or not UTF-8/)
      assert.deepStrictEqual([...(await box.sandbox.files.read("f"))], [...bytes])
    }
    await box.sandbox.files.write("f", "a".repeat(8 * 1024 * 1024 + 1))
    await box.failed(edit, input, "EditRefused", /8,388,609 bytes.*sandbox_exec/)
    await box.sandbox.files.write("f", "a".repeat(1000))
    const grows = { ...input, new_string: "b".repeat(10_000), replace_all: true }
    await box.failed(edit, grows, "EditRefused", /10,000,000 bytes/)
  })

  it("keeps CR LF and a byte order mark", async () => {
    await using box = await openBox()
    await box.sandbox.files.write("f", "\ufeffone\r\ntwo\r\nthree\r\n")
    await box.ok(edit, { path: "f", old_string: "one\ntwo", new_string: "1\n1.5\n2" })
    assert.strictEqual(await box.sandbox.files.readText("f"), "\ufeff1\r\n1.5\r\n2\r\nthree\r\n")
    await box.sandbox.files.write("f", "a\r\nb\nc\n")
    await box.ok(edit, { path: "f", old_string: "b\nc", new_string: "d\ne" })
    assert.strictEqual(await box.sandbox.files.readText("f"), "a\r\nd\ne\n")
  })

  it("loses no concurrent edit", async () => {
    await using box = await openBox()
    const lines = Array.from({ length: 20 }, (_, nth) => `line-${nth};`)
    await box.sandbox.files.write("f", lines.join("\n"))
    await Promise.all(
      lines.map((line, nth) =>
        box.ok(edit, { path: "f", old_string: line, new_string: `${nth}.` }),
      ),
    )
    const expected = lines.map((_, nth) => `${nth}.`).join("\n")
    assert.strictEqual(await box.sandbox.files.readText("f"), expected)
  })

  it("takes linear time for a text with many near matches", async () => {
    await using box = await openBox()
    await box.sandbox.files.write("f", "a".repeat(4 * 1024 * 1024))
    // Compared at each place anew this would take hours.
    const input = { path: "f", old_string: `b${"a".repeat(60_000)}`, new_string: "c" }
    await box.failed(edit, input, "EditRefused", /is not in the file/)
  })
})
