import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { afterAll, assert, describe } from "vitest"
import { check, operations, Reader } from "./operations.ts"

const { close, folder, ok, run } = operations()
afterAll(close)

const sh = (cwd: string, script: string) => execFileSync("/bin/sh", ["-ec", script], { cwd })

const matches = (bytes: Buffer) => {
  const reader = new Reader(bytes)
  const found: Array<{ path: string; line: number; text: string }> = []
  while (!reader.done) {
    const path = reader.string().toString()
    found.push({ path, line: reader.number(), text: reader.string().toString("latin1") })
  }
  return found
}

const search = async (...args: [string, string, ...ReadonlyArray<string>]) =>
  matches(await ok(["search", ...args]))
    .map(({ path, line, text }) => `${path}|${line}|${text}`)
    .sort()

describe("search", () => {
  check("finds lines by text and by regular expression, in files with any name", async () => {
    const at = folder()
    sh(at, "mkdir -p sub node_modules; printf 'one\\ntwo (x+y)\\n' >a.ts; echo x+y >b:2:.ts")
    sh(at, "echo x+y >node_modules/m; echo x+y >.cordon-x; echo x+y >t.log")
    fs.writeFileSync(`${at}/sub/new\nline`, "\n  X+Y no end")
    const out = ["node_modules", "*.log"]
    const [a, b, c] = ["a.ts|2|two (x+y)", "b:2:.ts|1|x+y", "sub/new\nline|2|  X+Y no end"]
    assert.deepStrictEqual(await search(at, "x+y", "", "", ...out), [a, b])
    assert.deepStrictEqual(await search(at, "x+Y", "i", "", ...out), [a, b, c])
    assert.deepStrictEqual(await search(at, "x+y", "E", "", ...out), [])
    assert.deepStrictEqual(await search(at, "^(one|x.y)$", "E", "", ...out), ["a.ts|1|one", b])
    assert.deepStrictEqual(await search(at, "^ *x.y", "Ei", "", ...out), [b, c])
    assert.deepStrictEqual(await search(at, "x+y", "", "a*", ...out), [a])
    assert.lengthOf(await search(at, "x+y"), 4)
    assert.deepStrictEqual(await search(at, "-e"), [])
  })

  check("matches letters of other alphabets, and searches files in other encodings", async () => {
    const at = folder()
    fs.writeFileSync(`${at}/utf8`, "ÄRGER\nlänge\n")
    fs.writeFileSync(`${at}/latin1`, Buffer.from("länge\nplain länge (x)\n", "latin1"))
    const found = async (pattern: string, options: string) =>
      (await search(at, pattern, options)).map((match) => match.split("|").slice(0, 2).join(" "))
    assert.deepStrictEqual(await found("ärger", "i"), ["utf8 1"])
    assert.deepStrictEqual(await found("^l.nge$", "E"), ["latin1 1", "utf8 2"])
    assert.deepStrictEqual(await found("plain.*[(]x", "E"), ["latin1 2"])
    assert.deepStrictEqual(await found("ÄRGER(", "i"), [])
  })

  check("skips binary files, other kinds of files, and unreadable ones", async () => {
    const at = folder()
    sh(at, "mkfifo pipe; ln -s /etc/passwd users; echo root: >real; printf 'root:\\n\\0' >binary")
    sh(at, "head -c 70000 /dev/zero | tr '\\0' '\\n' >late; printf 'root:\\n\\0root:\\n' >>late")
    const found = await search(at, "root:")
    assert.deepStrictEqual(found, ["real|1|root:"])
    assert.strictEqual((await run(["search", `${at}/none`, "x"])).error, "ENOENT")
    assert.strictEqual((await run(["search", `${at}/real`, "x"])).error, "ENOTDIR")
    assert.strictEqual((await run(["search", `${at}/pipe`, "x"])).error, "ENOTDIR")
    assert.strictEqual((await run(["search", at, ""])).error, "EINVAL")
    assert.strictEqual((await run(["search", at, "x", "z"])).error, "EINVAL")
  })

  check(
    "finds nothing that its user may not read",
    async () => {
      const at = folder()
      sh(at, "echo x >open; echo x >closed; chmod 600 closed; mkdir -m 700 d; echo x >d/f")
      const found = matches(await ok(["search", at, "x"], { uid: 1000 }))
      assert.deepStrictEqual(
        found.map(({ path }) => path),
        ["open"],
      )
    },
    "as root",
  )

  check("reports what is wrong with a pattern", async () => {
    for (const pattern of ["(", "[", "a{2,1}", "*"]) {
      const { error, output } = await run(["search", folder(), pattern, "E"])
      if (pattern === "*" && error === "") continue
      assert.strictEqual(error, "EBADMSG", pattern)
      assert.isAbove(output.length, 3)
    }
  })

  check("counts lines over blocks of any length, and cuts long ones", async () => {
    const at = folder()
    const lines = Array.from(
      { length: 30_000 },
      (_, n) => "x".repeat(n % 97) + (n % 1000 ? "" : "hit"),
    )
    lines[7777] = `${"long ".repeat(100_000)}hit`
    lines[8888] = `${"y".repeat(1024 * 1024)}hit` // beyond what is looked at
    fs.writeFileSync(`${at}/f`, lines.join("\n"))
    const expected = lines.flatMap((line, n) => (n !== 8888 && line.endsWith("hit") ? [n + 1] : []))
    for (const [pattern, options] of [
      ["hit", ""],
      ["HIT", "i"],
      ["hit$", "E"],
    ] as const) {
      const found = matches(await ok(["search", at, pattern, options]))
      assert.deepStrictEqual(
        found.map(({ line }) => line),
        expected,
        options,
      )
      assert.strictEqual(Math.max(...found.map(({ text }) => text.length)), 4000)
    }
    const ends = matches(await ok(["search", at, "yyyhit"]))
    assert.deepStrictEqual(ends, [])
  })
})
