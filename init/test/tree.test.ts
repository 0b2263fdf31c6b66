import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import * as fc from "fast-check"
import { afterAll, assert, describe } from "vitest"
import { check, chunks, type Entry, entry, file, operations, Reader } from "./operations.ts"

const { close, folder, ok, run } = operations()
afterAll(close)

const sh = (cwd: string, script: string) =>
  execFileSync("/bin/sh", ["-ec", script], { cwd, encoding: "latin1", maxBuffer: 1e9 })

/** All there is in a folder: kinds, modes, names, targets, times, contents, and who is one file. */
const look = (at: string) =>
  sh(
    at,
    `find . -mindepth 1 \\( -type d -printf '%P %y %m %T@\\0' \\) -o -printf '%P %y %m %l %n %s %T@\\0' | sort -z
     find . -type f -print0 | sort -z | xargs -0r md5sum -z`,
  )

const packed = (bytes: Buffer) => {
  const reader = new Reader(bytes)
  const found: Array<string> = []
  while (!reader.done) {
    const { type, path, target } = reader.entry()
    const content = type === "f" ? ` ${reader.chunks().length}` : ""
    found.push(`${type} ${path}${content}${target && ` > ${target}`}`)
  }
  return found
}

const unpack = (at: string, ...pieces: ReadonlyArray<Uint8Array>) =>
  run(["unpack", at], { input: Buffer.concat(pieces) })
const link = (path: string, target: string, more: Partial<Entry> = {}) =>
  entry({ type: "l", path, target, ...more })
const hard = (path: string, target: string) => entry({ type: "h", path, target })
const dir = (path: string, more: Partial<Entry> = {}) =>
  entry({ type: "d", path, mode: 0o755, ...more })

describe("pack", () => {
  check(
    "packs each folder before its content, and further names of a file as hard links",
    async () => {
      const at = folder()
      sh(at, "mkdir -p sub/deep; printf 123 >f; ln f sub/hard; ln -s ../f sub/link; mkfifo pipe")
      sh(at, "touch .cordon-x; truncate -s 100000 sub/deep/large")
      const found = packed(await ok(["pack", at]))
      const first = found.includes("f f 3") ? "h sub/hard > f" : "h f > sub/hard"
      assert.includeMembers(found, [first, "d sub", "d sub/deep", "l sub/link > ../f", "o pipe"])
      assert.include(found, "f sub/deep/large 100000")
      assert.lengthOf(found, 7)
      assert.isBelow(found.indexOf("d sub"), found.indexOf("d sub/deep"))
    },
  )

  check(
    "fails on an unreadable file",
    async () => {
      for (const script of [
        "touch f; chmod 600 f",
        "mkdir -m 700 d",
        "mkdir -m 744 d; touch d/f",
      ]) {
        const at = folder()
        sh(at, script)
        assert.strictEqual((await run(["pack", at], { uid: 1000 })).error, "EACCES", script)
      }
    },
    "as root",
  )
})

describe("unpack", () => {
  check("restores what was packed", async () => {
    const [from, to] = [folder(), join(folder(), "new/place")]
    sh(from, "mkdir -p a/b 'sp ace' -- -dash; printf 123 >a/f; ln a/f a/b/g; chmod 640 a/f")
    sh(from, "ln -s ../none a/link; : >'new\nline'; head -c 300000 /dev/urandom >a/b/large")
    sh(from, "find . -mindepth 1 -depth -exec touch -hd '2001-02-03 04:05:06.123456789Z' {} +")
    sh(from, "chmod 555 a/b; chmod 0 -- -dash")
    await ok(["unpack", to], { input: await ok(["pack", from]) })
    assert.strictEqual(look(to), look(from))
    // Once more, over what is there.
    await ok(["unpack", to], { input: await ok(["pack", from]) })
    assert.strictEqual(look(to), look(from))
  })

  check("restores any tree", async () => {
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 20 })
      .map((bytes) => Buffer.from(bytes).toString("latin1").replace(/[/\0]/g, "_"))
      .filter((text) => text !== "." && text !== ".." && !text.startsWith(".cordon-"))
    const mode = fc.integer({ min: 0, max: 0o1777 })
    const time = fc.record({
      seconds: fc.bigInt({ min: -(2n ** 31n), max: 2n ** 33n }),
      nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
    })
    const leaf = fc.oneof(
      fc.record({ type: fc.constant("f"), mode, time, content: fc.string({ maxLength: 300 }) }),
      fc.record({ type: fc.constant("l"), mode, time, content: name }),
      fc.record({ type: fc.constant("h"), mode, time, content: fc.constant("") }),
    )
    const { tree } = fc.letrec((tie) => ({
      tree: fc.dictionary(name, fc.oneof({ maxDepth: 4 }, leaf, tie("tree")), { maxKeys: 5 }),
    }))
    const bytes = (text: string) => Buffer.from(text, "latin1")
    type Node = { type: string; mode: number; time: Partial<Entry>; content: string }
    const isLeaf = (node: object): node is Node => "type" in node && typeof node.type === "string"
    const archive = (node: object, at: string, files: Array<string>): Array<Buffer> =>
      Object.entries(node).flatMap(([name, node]) => {
        const path = at + name
        if (!isLeaf(node)) {
          return [dir(bytes(path).toString("latin1"), {}), ...archive(node, `${path}/`, files)]
        }
        const { type, mode, time, content } = node
        const [first] = files
        if (type === "f" || (type === "h" && first === undefined)) {
          files.push(path)
          return [entry({ type: "f", path: bytes(path), mode, ...time }), chunks(content)]
        }
        const target = bytes(type === "l" ? content : (first ?? ""))
        return [entry({ type, path: bytes(path), target, mode, ...time })]
      })
    const fixed = (node: object) => archive(node, "", [])
    await fc.assert(
      fc.asyncProperty(tree, async (tree) => {
        if (typeof tree !== "object" || tree === null) return
        const [from, to] = [folder(), folder()]
        const { error } = await unpack(from, ...fixed(tree))
        assert.strictEqual(error, "")
        await ok(["unpack", to], { input: await ok(["pack", from]) })
        assert.strictEqual(look(to), look(from))
      }),
      { numRuns: 60 },
    )
  })

  check("replaces existing files, and follows no link in their place", async () => {
    const at = folder()
    sh(
      at,
      "mkdir in other; echo victim >victim; ln -s ../victim in/f; echo old >in/g; ln in/g kept",
    )
    sh(at, "ln -s ../other in/d; echo x >in/file; mkdir in/folder")
    const { error } = await unpack(
      `${at}/in`,
      file("f", "new", { mode: 0o640 }),
      ...[
        file("g", "newer"),
        hard("h", "g"),
        hard("h", "g"),
        hard("g", "h"),
        dir("d", { mode: 0o750 }),
      ],
      ...[file("d/x", "x"), dir("file"), file("file/x", "x"), dir("folder"), link("s", "/etc")],
      ...[link("s", "../victim"), file("h2", "x"), hard("h2", "d/x")],
    )
    assert.strictEqual(error, "")
    assert.strictEqual(sh(at, "cat victim kept in/f in/g in/h"), "victim\nold\nnewnewernewer")
    assert.strictEqual(
      sh(at, "ls -A other; ls in; stat -c %a in/f in/d; readlink in/s"),
      [...["d", "f", "file", "folder", "g", "h", "h2", "s", "640", "750", "../victim", ""]].join(
        "\n",
      ),
    )
    assert.strictEqual((await unpack(`${at}/in`, file("folder", "x"))).error, "EISDIR")
    assert.strictEqual((await unpack(`${at}/victim`, file("f", "x"))).error, "ENOTDIR")
  })

  check("writes nothing outside of its folder", async () => {
    const at = folder()
    const paths = [
      "../victim",
      "/victim",
      "a/../../victim",
      "",
      ".",
      "./f",
      "a//f",
      "a/",
      "a/..",
      "\0",
    ]
    sh(
      at,
      "echo untouched >victim; mkdir in; ln -s .. in/up; ln -s . in/here; ln -s ../victim in/l",
    )
    for (const path of [...paths, "a\0b", "x".repeat(256), "x/".repeat(40_000)]) {
      for (const type of ["f", "d", "l", "h"]) {
        const bytes = [entry({ type, path, target: "l" }), chunks("pwned")]
        assert.strictEqual((await unpack(`${at}/in`, ...bytes)).error, "EBADMSG", `${type} ${path}`)
      }
    }
    for (const path of ["up/victim", "up/new", "here/x", "l/x"]) {
      assert.strictEqual((await unpack(`${at}/in`, file(path, "pwned"))).error, "ENOTDIR", path)
    }
    for (const target of ["../victim", "/etc/passwd", "", ".", "up/victim", "l", "none", "a\0"]) {
      const { error } = await unpack(`${at}/in`, hard("new", target))
      assert.match(error, /EBADMSG|ENOTDIR|ENOENT/, target)
    }
    for (const target of ["", "a\0b", "x".repeat(4096)]) {
      assert.strictEqual((await unpack(`${at}/in`, link("new", target))).error, "EBADMSG", target)
    }
    assert.strictEqual(sh(at, "cat victim; ls -A in"), "untouched\nhere\nl\nup\n")
  })

  check("leaves no partial file when the input ends too early or is too long", async () => {
    const at = folder()
    const whole = Buffer.concat([dir("d"), file("d/f", "content"), file("d/g", "x".repeat(99))])
    const starts = [0, dir("d").length, whole.length - file("d/g", "x".repeat(99)).length]
    for (let length = 0; length < whole.length; length += 7) {
      const { error } = await unpack(at, whole.subarray(0, length))
      assert.strictEqual(error, starts.includes(length) ? "" : "ECANCELED", String(length))
      const left = fs.existsSync(`${at}/d`) ? fs.readdirSync(`${at}/d`) : []
      assert.isEmpty(left.filter((name) => name !== "f" && name !== "g"))
      if (left.includes("f")) assert.strictEqual(fs.readFileSync(`${at}/d/f`, "utf8"), "content")
      assert.notInclude(left, "g")
    }
    const long = Buffer.from([255, 255, 255, 255])
    const short = Buffer.from([4, 0, 0, 0, 1, 2, 3, 4])
    const broken = Buffer.from(file("f", ""))
    broken.writeUInt32LE(0xffffffff, 4 + 41)
    const target = Buffer.from(link("f", "x"))
    target.writeUInt32LE(0xfffffff0, 4 + 41 + 5)
    const kind = entry({ type: "x", path: "f" })
    const times = file("f", "", { nanoseconds: 1_000_000_000 })
    for (const bytes of [long, short, broken, target, kind, times]) {
      assert.strictEqual((await unpack(at, bytes)).error, "EBADMSG")
    }
  })

  check("ignores fields that this version does not know", async () => {
    const at = folder()
    const known = entry({ type: "d", path: "d" })
    const longer = Buffer.concat([known, Buffer.from("more")])
    longer.writeUInt32LE(longer.length - 4, 0)
    assert.strictEqual((await unpack(at, longer, entry({ type: "o", path: "a/pipe" }))).error, "")
    assert.deepStrictEqual(fs.readdirSync(at), ["d"])
  })

  check("sets no set-id bits on files", async () => {
    const at = folder()
    await unpack(at, file("f", "", { mode: 0o6755 }), dir("d", { mode: 0o7777 }), link("l", "f"))
    assert.strictEqual(sh(at, "stat -c %a f d"), "755\n1777\n")
  })

  check("never crashes on random input", async () => {
    const at = folder()
    const base = Buffer.concat([
      ...[dir("d"), file("d/f", "content"), hard("d/h", "d/f"), link("l", "d"), file("g", "x")],
    ])
    const change = fc.tuple(fc.nat(base.length - 1), fc.integer({ min: 0, max: 255 }))
    const mutated = fc
      .tuple(fc.array(change, { maxLength: 4 }), fc.nat(base.length))
      .map(([changes, length]) => {
        const bytes = Buffer.from(base)
        for (const [at, value] of changes) bytes[at] = value
        return bytes.subarray(0, length)
      })
    await fc.assert(
      // `run` rejects on a report of a sanitizer.
      fc.asyncProperty(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), async (bytes) => {
        await unpack(`${at}/in`, bytes)
        assert.deepStrictEqual(
          fs.readdirSync(at).filter((name) => name !== "in"),
          [],
        )
      }),
      { numRuns: 300 },
    )
    assert.isEmpty(sh(at, "find . -name '.cordon-*'"))
  })

  check("unpacks 5,000 nested folders", async () => {
    const [from, to] = [folder(), folder()]
    const path = "d/".repeat(5000)
    const all = Array.from({ length: 5000 }, (_, n) => dir("d/".repeat(n + 1).slice(0, -1)))
    assert.strictEqual((await unpack(from, ...all, file(`${path}f`, "deep"))).error, "")
    await ok(["unpack", to], { input: await ok(["pack", from]) })
    assert.strictEqual(sh(to, "find . | wc -l").trim(), "5002")
    await ok(["remove", to, "1"])
    await ok(["remove", from, "1"])
  })

  check(
    "creates files of its user, and does not change folders of others",
    async () => {
      const at = folder(1000)
      sh(at, "mkdir -m 777 theirs")
      const bytes = [
        dir("theirs", { mode: 0o700 }),
        file("theirs/f", "x", { uid: 0, gid: 0 }),
        dir("d"),
      ]
      await ok(["unpack", at], { uid: 1000, input: Buffer.concat(bytes) })
      assert.strictEqual(sh(at, "stat -c '%u %a' theirs theirs/f d"), "0 777\n1000 644\n1000 755\n")
      const root = folder()
      const input = file("f", "x", { uid: 1000, gid: 1000, mode: 0o4755 })
      await ok(["unpack", root], { input })
      assert.strictEqual(sh(root, "stat -c '%u %a' f"), "0 755\n")
    },
    "as root",
  )
})
