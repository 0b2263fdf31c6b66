import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { constants } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe } from "vitest"
import { check, chunks, entries, file, operations, Reader } from "./operations.ts"

const { close, folder, ok, run, start } = operations()
afterAll(close)

const sh = (cwd: string, script: string) =>
  execFileSync("/bin/sh", ["-ec", script], { cwd, encoding: "latin1" })

const errorOf = async (...args: ReadonlyArray<string>) => (await run(args)).error
const errorAs = async (uid: number, ...args: ReadonlyArray<string>) =>
  (await run(args, { uid })).error

/** The operations that open what a path names. */
const opening = ["read", "write", "list", "pack", "unpack"]

describe("stat", () => {
  check("reports kind, mode, size, owner and time to the nanosecond", async () => {
    const at = folder()
    sh(at, "printf 12345 >f; chmod 4750 f; touch -d '2001-02-03 04:05:06.123456789Z' f")
    const [found] = entries(await ok(["stat", `${at}/f`]))
    const { ino, uid, gid } = fs.statSync(`${at}/f`)
    assert.deepStrictEqual(found, {
      ...{ type: "f", mode: 0o4750, uid, gid, size: 5n, inode: BigInt(ino) },
      ...{ seconds: 981173106n, nanoseconds: 123456789, target: "" },
      ...{ path: `${at}/f`, raw: `${at}/f` },
    })
  })

  check("follows a link at the end of a path only when asked to", async () => {
    const at = folder()
    sh(at, "ln -s f link; ln -s loop loop; mkdir f; mkfifo pipe")
    const stat = async (...args: [string, string?]) =>
      entries(await ok(["stat", `${at}/${args[0]}`, ...args.slice(1).map(String)])).map(
        ({ type, target }) => type + target,
      )[0]
    assert.strictEqual(await stat("link"), "lf")
    assert.strictEqual(await stat("link", "1"), "d")
    assert.strictEqual(await stat("loop"), "lloop")
    assert.strictEqual(await stat("pipe", "1"), "o")
    assert.strictEqual(await errorOf("stat", `${at}/loop`, "1"), "ELOOP")
    assert.strictEqual(await errorOf("stat", `${at}/none`), "ENOENT")
    assert.strictEqual(await errorOf("stat", `${at}/${"x".repeat(300)}`), "ENAMETOOLONG")
    assert.strictEqual(await errorOf("stat", `/${"x/".repeat(3000)}`), "ENAMETOOLONG")
  })
})

describe("read", () => {
  const read = async (...args: ReadonlyArray<string>) => {
    const reader = new Reader(await ok(["read", ...args]))
    const { size } = reader.entry()
    return [Number(size), reader.rest().toString()]
  }

  check("returns a file, or a part of it", async () => {
    const at = folder()
    fs.writeFileSync(join(at, "f"), "0123456789")
    assert.deepStrictEqual(await read(`${at}/f`), [10, "0123456789"])
    assert.deepStrictEqual(await read(`${at}/f`, "3", "-1"), [10, "3456789"])
    assert.deepStrictEqual(await read(`${at}/f`, "8", "10"), [10, "89"])
    assert.deepStrictEqual(await read(`${at}/f`, "0", "0"), [10, ""])
    assert.deepStrictEqual(await read(`${at}/f`, "9000000000000000000"), [10, ""])
    const large = Buffer.alloc(3_000_001, "large")
    fs.writeFileSync(join(at, "large"), large)
    const reader = new Reader(await ok(["read", `${at}/large`]))
    reader.entry()
    assert.isTrue(reader.rest().equals(large))
    assert.match(String((await read("/proc/self/status"))[1]), /^Name:\toperation/)
  })

  check("refuses invalid numbers", async () => {
    const at = folder()
    fs.writeFileSync(join(at, "f"), "x")
    for (const offset of ["", "-1", " 1", "1x", "+1", "0x1", "99999999999999999999"]) {
      assert.strictEqual(await errorOf("read", `${at}/f`, offset, "-1"), "EINVAL", offset)
    }
    assert.strictEqual(await errorOf("read", `${at}/f`, "0", "-2"), "EINVAL")
    assert.strictEqual(await errorOf("read", "f"), "EINVAL")
    assert.strictEqual(await errorOf("read"), "EINVAL")
    assert.strictEqual(await errorOf("unknown", "/"), "ENOSYS")
  })

  check("ends with an error when nobody reads its output", async () => {
    const at = folder()
    fs.writeFileSync(join(at, "f"), Buffer.alloc(1_000_000))
    const child = start(["read", `${at}/f`])
    child.stdout.destroy()
    const code = await new Promise((resolve) => child.on("close", resolve))
    // The output is a socket: one that was closed before its bytes were read says ECONNRESET.
    const { EPIPE, ECONNRESET } = constants.errno
    assert.include([EPIPE, ECONNRESET], code)
  })
})

describe("a path that is neither file nor folder", () => {
  check("hangs no operation, and is reported by its kind", async () => {
    const at = folder()
    sh(at, "mkfifo pipe; ln -s pipe link; echo x >file; mkdir dir; ln -s a b; ln -s b a")
    for (const path of [`${at}/pipe`, `${at}/link`, "/dev/zero", "/dev/tty"]) {
      assert.strictEqual(await errorOf("read", path), "ENXIO", path)
      assert.strictEqual(await errorOf("write", path), "ENXIO", path)
      for (const name of ["list", "pack", "unpack"]) {
        assert.strictEqual(await errorOf(name, path), "ENOTDIR", name)
      }
    }
    assert.strictEqual(await errorOf("read", `${at}/dir`), "EISDIR")
    assert.strictEqual(await errorOf("write", `${at}/dir`), "EISDIR")
    for (const name of opening) assert.strictEqual(await errorOf(name, `${at}/a`), "ELOOP", name)
    for (const name of opening) {
      assert.strictEqual(await errorOf(name, `${at}/file/below`), "ENOTDIR", name)
    }
    for (const name of ["read", "list", "pack"]) {
      assert.strictEqual(await errorOf(name, `${at}/none`), "ENOENT", name)
    }
  })
})

describe("write", () => {
  const write = (path: string, content: string, ...more: ReadonlyArray<string>) =>
    ok(["write", path, ...more], { input: chunks(content) })
  const modeOf = (path: string) => (fs.statSync(path).mode & 0o7777).toString(8)

  check("creates a file and its parent folders, with mode and time", async () => {
    const at = folder()
    await write(`${at}/a/b//c/f`, "hello", "640", "981173106", "123456789")
    assert.strictEqual(fs.readFileSync(`${at}/a/b/c/f`, "utf8"), "hello")
    assert.strictEqual(modeOf(`${at}/a/b/c/f`), "640")
    assert.strictEqual(modeOf(`${at}/a`), "755")
    const time = fs.statSync(`${at}/a/b/c/f`, { bigint: true }).mtimeNs
    assert.strictEqual(time, 981173106123456789n)
    await write(`${at}/old`, "", "", "-2", "500000000")
    assert.strictEqual(fs.statSync(`${at}/old`, { bigint: true }).mtimeNs, -1500000000n)
    await write(`${at}/new`, "")
    assert.strictEqual(modeOf(`${at}/new`), "644")
  })

  check("keeps the mode of an existing file, and leaves no temporary file", async () => {
    const at = folder()
    sh(at, "echo one >f; chmod 751 f")
    await write(`${at}/f`, "two")
    assert.strictEqual(modeOf(`${at}/f`), "751")
    await write(`${at}/f`, "three", "600")
    assert.strictEqual(modeOf(`${at}/f`), "600")
    assert.deepStrictEqual(fs.readdirSync(at), ["f"])
  })

  check("writes through links, also to a missing target", async () => {
    const at = folder()
    sh(at, "mkdir other; echo t >other/real; ln -s other/real link; ln -s other dir")
    sh(at, `ln -s none/missing dangling; ln -s ${at}/dangling twice; ln -s nowhere lost`)
    await write(`${at}/link`, "through")
    await write(`${at}/dir/../beside`, "physical")
    await write(`${at}/twice`, "made")
    assert.strictEqual(fs.readFileSync(`${at}/other/real`, "utf8"), "through")
    assert.strictEqual(fs.readFileSync(`${at}/beside`, "utf8"), "physical")
    assert.strictEqual(fs.readFileSync(`${at}/none/missing`, "utf8"), "made")
    assert.strictEqual(fs.readlinkSync(`${at}/link`), "other/real")
    assert.strictEqual(await errorOf("write", `${at}/lost/f`), "ENOTDIR")
    for (const path of [`${at}/other/`, `${at}/x/`, `${at}/other/.`, `${at}/other/..`, "/"]) {
      assert.strictEqual(await errorOf("write", path), "EISDIR", path)
    }
  })

  check("changes nothing when the input ends too early", async () => {
    const at = folder()
    fs.writeFileSync(`${at}/f`, "old")
    const whole = chunks("new content", "and more")
    for (const length of [0, 3, 4, 8, 15, 19, whole.length - 1]) {
      const { error } = await run(["write", `${at}/f`], { input: whole.subarray(0, length) })
      assert.strictEqual(error, "ECANCELED", String(length))
    }
    const huge = Buffer.from([255, 255, 255, 255, 1, 2, 3])
    assert.strictEqual((await run(["write", `${at}/f`], { input: huge })).error, "ECANCELED")
    assert.strictEqual(fs.readFileSync(`${at}/f`, "utf8"), "old")
    assert.deepStrictEqual(fs.readdirSync(at), ["f"])
  })

  check("refuses invalid modes and times", async () => {
    const at = folder()
    for (const args of [["8"], ["10000"], ["-1"], ["", "x"], ["", "1", "1000000000"]]) {
      assert.strictEqual(await errorOf("write", `${at}/f`, ...args), "EINVAL", args.join())
    }
    assert.deepStrictEqual(fs.readdirSync(at), [])
  })

  check("accepts any bytes in any name", async () => {
    const at = folder()
    const content = Buffer.alloc(5 * 1024 * 1024 + 13, "The quick brown fox\0\xff")
    await ok(["write", `${at}/new\nline 日`], { input: chunks(content.subarray(0, 99), content) })
    const written = fs.readFileSync(`${at}/new\nline 日`)
    assert.isTrue(written.equals(Buffer.concat([content.subarray(0, 99), content])))
  })

  check(
    "keeps the owner of an existing file, and drops set-id bits that another user writes",
    async () => {
      const at = folder(1000)
      sh(at, "echo x >f; chown 1000:1000 f; chmod 4755 f; echo x >r; chmod 6777 r")
      await write(`${at}/f`, "by root")
      const { uid, gid } = fs.statSync(`${at}/f`)
      assert.deepStrictEqual([uid, gid, modeOf(`${at}/f`)], [1000, 1000, "4755"])
      await ok(["write", `${at}/r`], { uid: 1000, input: chunks("x") })
      assert.deepStrictEqual([fs.statSync(`${at}/r`).uid, modeOf(`${at}/r`)], [1000, "777"])
    },
    "as root",
  )

  check(
    "has only its user's rights",
    async () => {
      const at = folder()
      const own = folder(1000)
      sh(at, "echo x >f; mkdir -m 700 closed; echo x >closed/f; mkdir -m 777 open; echo x >open/f")
      sh(own, `ln -s ${at}/f planted; ln -s ${at}/new fresh`)
      const refused = [`${at}/f`, `${at}/new`, `${at}/a/b`, `${at}/closed/f`, `${at}/open/f`]
      for (const path of [...refused, `${own}/planted`, `${own}/fresh`]) {
        assert.strictEqual(await errorAs(1000, "write", path), "EACCES", path)
      }
      assert.strictEqual(await errorAs(1000, "read", `${at}/closed/f`), "EACCES")
      assert.strictEqual(await errorAs(1000, "mkdir", `${at}/closed/d`), "EACCES")
      assert.strictEqual(await errorAs(1000, "mkdir", `${at}/d`), "EACCES")
      assert.strictEqual(await errorAs(1000, "unpack", at), "EACCES")
      assert.strictEqual(await errorAs(1000, "list", `${at}/closed`), "EACCES")
      assert.strictEqual(await errorAs(1000, "chmod", `${at}/f`, "777"), "EPERM")
      assert.strictEqual(await errorAs(1000, "remove", `${at}/f`), "EACCES")
      assert.strictEqual(await errorAs(1000, "remove", `${at}/closed`, "1"), "EACCES")
      assert.strictEqual(await errorAs(1000, "move", `${at}/f`, `${own}/f`), "EACCES")
      fs.writeFileSync(`${own}/f`, "")
      fs.chownSync(`${own}/f`, 1000, 1000)
      assert.strictEqual(await errorAs(1000, "move", `${own}/f`, `${at}/f`), "EACCES")
      assert.strictEqual(await errorAs(1000, "move", `${own}/f`, `${at}/d/f`), "EACCES")
    },
    "as root",
  )
})

describe("list", () => {
  const list = async (...args: ReadonlyArray<string>) =>
    entries(await ok(["list", ...args])).map(({ type, path }) => `${type} ${path}`)

  check("lists a folder to the requested depth, without excluded names", async () => {
    const at = folder()
    sh(at, "mkdir -p sub/deep/er skip/in; echo x >f; ln -s f link; mkfifo sub/pipe; ln f sub/hard")
    sh(at, "touch sub/x.log .cordon-temporary .hidden; mkdir .cordon-x")
    const top = ["d skip", "d sub", "f .hidden", "f f", "l link"]
    assert.sameMembers(await list(at, "1"), top)
    assert.sameMembers(await list(`${at}/sub/`, "1"), ["d deep", "f hard", "f x.log", "o pipe"])
    const second = ["d skip/in", "d sub/deep", "f sub/hard", "f sub/x.log", "o sub/pipe"]
    assert.sameMembers(await list(at, "2"), [...top, ...second])
    const all = await list(at, "0", "skip", "*.log", ".h*")
    assert.sameMembers(all, [
      ...["d sub", "f f", "l link", "d sub/deep", "d sub/deep/er", "f sub/hard", "o sub/pipe"],
    ])
    assert.isBelow(all.indexOf("d sub"), all.indexOf("d sub/deep"))
    assert.isBelow(all.indexOf("d sub/deep"), all.indexOf("d sub/deep/er"))
    assert.strictEqual(
      entries(await ok(["list", at, "1"])).find((e) => e.type === "l")?.target,
      "f",
    )
  })

  check("lists names with any bytes", async () => {
    const at = folder()
    const names = ["with space", "-dash", "new\nline", "quote'\"$x`", "ünï 日", "*", "\\"]
    for (const name of names) fs.writeFileSync(join(at, name), "")
    fs.writeFileSync(Buffer.concat([Buffer.from(`${at}/`), Buffer.from([0xff, 0xfe, 10])]), "")
    const found = entries(await ok(["list", at, "1"])).map(({ raw }) => raw)
    const expected = names.map((name) => Buffer.from(name).toString("latin1"))
    assert.sameMembers(found, [...expected, "\xff\xfe\n"])
  })

  check("lists 20,000 files, and 5,000 nested folders", async () => {
    const at = folder()
    sh(at, "i=0; while [ $i -lt 20000 ]; do : >f$i; i=$((i+1)); done")
    assert.lengthOf(await list(at, "1"), 20_000)
    const deep = folder()
    const path = `${"d/".repeat(5000)}f`
    await ok(["unpack", deep], { input: file(path, "") })
    const found = await list(deep, "0")
    assert.lengthOf(found, 5001)
    assert.strictEqual(found.at(-1), `f ${path}`)
    await ok(["remove", deep, "1"])
    assert.isFalse(fs.existsSync(deep))
  })

  check(
    "skips folders that it may not read",
    async () => {
      const at = folder()
      sh(
        at,
        "mkdir -m 700 closed; mkdir -m 744 names; touch closed/f names/f open; mkdir -m 711 pass",
      )
      const found = entries(await ok(["list", at, "0"], { uid: 1000 })).map(({ path }) => path)
      assert.sameMembers(found, ["closed", "names", "open", "pass"])
      assert.strictEqual(await errorAs(1000, "list", `${at}/pass`, "0"), "EACCES")
      assert.strictEqual(await errorAs(1000, "list", `${at}/names`, "0"), "EACCES")
    },
    "as root",
  )
})

describe("mkdir", () => {
  check("creates parent folders too, and accepts an existing folder", async () => {
    const at = folder()
    await ok(["mkdir", `${at}/a/b c//d/`])
    await ok(["mkdir", `${at}/a/b c/d`])
    await ok(["mkdir", "/"])
    fs.writeFileSync(`${at}/f`, "")
    fs.symlinkSync("nowhere", `${at}/link`)
    for (const path of ["f", "f/below", "link"]) {
      assert.strictEqual(await errorOf("mkdir", `${at}/${path}`), "ENOTDIR", path)
    }
    assert.strictEqual(await errorOf("mkdir", `${at}/${"x".repeat(256)}`), "ENAMETOOLONG")
    const side = [1, 2, 3, 4].map((n) => ok(["mkdir", `${at}/side/by/side/${n}`]))
    await Promise.all(side)
    assert.lengthOf(fs.readdirSync(`${at}/side/by/side`), 4)
  })
})

describe("remove", () => {
  check("removes a non-empty folder only when asked to, and never a link's target", async () => {
    const at = folder()
    sh(at, "mkdir -p d/sub/.cordon-x empty; echo x >d/f; ln -s ../d d/sub/up; ln -s d link")
    sh(at, "ln -s nowhere dangling; touch d/.cordon-y; mkfifo d/pipe")
    assert.strictEqual(await errorOf("remove", `${at}/d`), "ENOTEMPTY")
    await ok(["remove", `${at}/empty`])
    await ok(["remove", `${at}/link/`, "1"])
    await ok(["remove", `${at}/dangling`])
    assert.strictEqual(fs.readFileSync(`${at}/d/f`, "utf8"), "x\n")
    await ok(["remove", `${at}/d`, "1"])
    assert.deepStrictEqual(fs.readdirSync(at), [])
    assert.strictEqual(await errorOf("remove", `${at}/d`, "1"), "ENOENT")
    for (const path of ["/", "//", `${at}/..`, `${at}/.`, "/."]) {
      assert.strictEqual(await errorOf("remove", path, "1"), "EINVAL", path)
    }
  })

  check(
    "continues past files that it may not remove, and reports them",
    async () => {
      const at = folder(1000)
      sh(at, "mkdir -p d/a d/theirs d/z; touch d/a/f d/theirs/f d/z/f; chown -R 1000 d")
      sh(at, "chown 0 d/theirs; mkdir -m 700 d/closed; chown 0 d/closed; touch d/closed/f")
      assert.strictEqual(await errorAs(1000, "remove", `${at}/d`, "1"), "EACCES")
      assert.sameMembers(fs.readdirSync(`${at}/d`), ["closed", "theirs"])
    },
    "as root",
  )
})

describe("move", () => {
  check("replaces only files, and creates parent folders", async () => {
    const at = folder()
    sh(at, "mkdir from to empty; echo moved >'from/-a b'; echo old >to/old; echo x >single")
    sh(at, "ln -s to link; ln -s nowhere dangling")
    const move = (from: string, to: string) => errorOf("move", `${at}/${from}`, `${at}/${to}`)
    assert.strictEqual(await move("from/-a b", "to/old"), "")
    assert.strictEqual(fs.readFileSync(`${at}/to/old`, "utf8"), "moved\n")
    assert.strictEqual(await move("to/", "new/parents/here"), "")
    assert.strictEqual(fs.readFileSync(`${at}/new/parents/here/old`, "utf8"), "moved\n")
    sh(at, "mkdir to")
    for (const [from = "", to = ""] of [
      ["single", "new"],
      ["new", "single"],
      ["new", "from"],
      ["new", "empty"],
      ["new", "dangling"],
      ["single", "link"],
    ]) {
      assert.strictEqual(await move(from, to), "EEXIST", `${from} to ${to}`)
    }
    assert.strictEqual(await move("none", "x"), "ENOENT")
    assert.strictEqual(await move("single", "single/x"), "ENOTDIR")
    assert.strictEqual(await move("new", "new/inside"), "EINVAL")
    assert.strictEqual(await move("link", "moved"), "")
    assert.strictEqual(fs.readlinkSync(`${at}/moved`), "to")
    assert.strictEqual(await errorOf("move", "/", `${at}/x`), "EINVAL")
  })

  check("reports when an error is about the second path", async () => {
    const at = folder()
    sh(at, "echo x >f; mkdir d")
    assert.strictEqual((await run(["move", `${at}/none`, `${at}/f/x`])).output.toString(), "")
    assert.strictEqual((await run(["move", `${at}/f`, `${at}/d`])).output.toString(), "t")
  })

  check("moves everything to another file system, or nothing", async () => {
    const at = folder()
    const other = fs.mkdtempSync("/dev/shm/cordon-operations-")
    try {
      if (fs.statSync(other).dev === fs.statSync(at).dev) return
      sh(at, "mkdir -p d/sub/.cordon-x; echo one >d/f; ln d/f d/sub/hard; ln -s ../f d/sub/link")
      sh(
        at,
        "chmod 6711 d/f; chmod 1700 d/sub; touch -d '2001-02-03 04:05:06.123456789Z' d/f d/sub d",
      )
      const look = (path: string) =>
        sh(
          path,
          "find . -printf '%p %y %m %l %n %U %G %T@\\n' | sed 's/^\\(.* d [^ ]*  \\)[0-9]*/\\1/' | sort",
        )
      const before = look(`${at}/d`)
      await ok(["move", `${at}/d`, `${other}/new/d`])
      assert.strictEqual(look(`${other}/new/d`), before)
      assert.isFalse(fs.existsSync(`${at}/d`))
      await ok(["move", `${other}/new/d/f`, `${at}/f`])
      assert.strictEqual(fs.readFileSync(`${at}/f`, "utf8"), "one\n")
      sh(other, "mkfifo new/d/sub/pipe")
      assert.strictEqual(await errorOf("move", `${other}/new/d`, `${at}/d`), "EXDEV")
      assert.deepStrictEqual(fs.readdirSync(at), ["f"])
      assert.sameMembers(fs.readdirSync(`${other}/new/d/sub`), [
        ".cordon-x",
        "hard",
        "link",
        "pipe",
      ])
    } finally {
      fs.rmSync(other, { recursive: true })
    }
  })
})

describe("chmod", () => {
  check("sets the mode", async () => {
    const at = folder()
    fs.writeFileSync(`${at}/f`, "")
    await ok(["chmod", `${at}/f`, "4751"])
    assert.strictEqual(fs.statSync(`${at}/f`).mode & 0o7777, 0o4751)
    assert.strictEqual(await errorOf("chmod", `${at}/f`, "9"), "EINVAL")
    assert.strictEqual(await errorOf("chmod", `${at}/none`, "755"), "ENOENT")
  })
})

describe("gather", () => {
  check("reads files by pattern, and skips missing ones", async () => {
    const at = folder()
    sh(at, "mkdir -p 12/x 7 x9; echo a >12/stat; echo b >7/stat; echo c >x9/stat; mkfifo 7/pipe")
    fs.writeFileSync(`${at}/large`, Buffer.alloc(100_000))
    const paths = [`${at}/*/stat`, `${at}/none`, `${at}/*/pipe`, `${at}/none/*/x`, `${at}/large`]
    const reader = new Reader(await ok(["gather", ...paths]))
    const found: Array<string> = []
    while (!reader.done) found.push(`${reader.string()} ${reader.string().length}`)
    assert.sameMembers(found, [`${at}/12/stat 2`, `${at}/7/stat 2`, `${at}/large 65536`])
    const processes = new Reader(await ok(["gather", "/proc/*/stat"]))
    const ids: Array<string> = []
    while (!processes.done) {
      ids.push(processes.string().toString())
      processes.string()
    }
    assert.include(ids, `/proc/${process.pid}/stat`)
  })
})

describe("own", () => {
  const owner = (path: string) => {
    const { uid, gid } = fs.lstatSync(path)
    return `${uid}:${gid}`
  }

  check(
    "gives an empty folder to the named user and group",
    async () => {
      const at = folder()
      fs.chmodSync(at, 0o750)
      await ok(["own", at, "nobody"])
      assert.strictEqual(owner(at), "65534:65534")
      await ok(["own", `${at}/`, "4711:815"])
      assert.strictEqual(owner(at), "4711:815")
      await ok(["own", at, "4711"])
      assert.strictEqual(owner(at), "4711:0")
      assert.strictEqual(fs.statSync(at).mode & 0o7777, 0o750)
    },
    "as root",
  )

  check(
    "refuses a non-empty folder, a file, an unknown user, and a caller other than root",
    async () => {
      const at = folder()
      sh(at, "mkdir empty full full/.hidden; touch file; ln -s empty link; mkfifo pipe")
      for (const [path, user, error] of [
        ["full", "nobody", "ENOTEMPTY"],
        ["file", "nobody", "ENOTDIR"],
        ["pipe", "nobody", "ENOTDIR"],
        ["link", "nobody", "ENOTDIR"],
        ["none", "nobody", "ENOENT"],
        ["empty/..", "nobody", "EINVAL"],
        ["empty", "nosuchuser", "EINVAL"],
        ["empty", "root:nosuchgroup", "EINVAL"],
      ] as const) {
        assert.strictEqual(await errorOf("own", `${at}/${path}`, user), error, path)
      }
      assert.strictEqual(await errorOf("own", "/", "nobody"), "EINVAL")
      assert.strictEqual(await errorOf("own", `${at}/empty`), "EINVAL")
      fs.chownSync(`${at}/empty`, 54321, 54321)
      assert.strictEqual(await errorAs(54321, "own", `${at}/empty`, "54321"), "EPERM")
      assert.strictEqual(owner(`${at}/empty`), "54321:54321")
      assert.strictEqual(owner(`${at}/full`), "0:0")
    },
    "as root",
  )
})
