import { assert, describe } from "@effect/vitest"
import { Effect, FileSystem, Option, Path, Stream } from "effect"
import { bytes, failure, tagOf, test, textOf } from "./effectProgram.ts"

describe("files of an Effect program", () => {
  test("are written, read, listed, moved and removed", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* fs.makeDirectory("a/b", { recursive: true })
      yield* fs.writeFileString("a/~one", "one\n", { mode: 0o600 })
      assert.strictEqual(yield* fs.readFileString("/workspace/a/~one"), "one\n")
      yield* fs.writeFile("a/b/raw", Uint8Array.of(0xff, 0))
      assert.deepStrictEqual(yield* fs.readFile("a/b/raw"), Uint8Array.of(0xff, 0))
      assert.sameMembers(yield* fs.readDirectory("a"), ["b", "~one"])
      assert.sameMembers(yield* fs.readDirectory("a", { recursive: true }), ["b", "b/raw", "~one"])
      assert.sameDeepMembers(
        [...(yield* fs.readDirectoryEntries("a"))],
        [
          { name: "b", type: "Directory" },
          { name: "~one", type: "File" },
        ],
      )
      assert.sameMembers(yield* fs.glob("**/*", { root: "a" }), ["b", "b/raw", "~one"])
      const info = yield* fs.stat("a/~one")
      assert.deepStrictEqual(
        [info.type, Number(info.size), info.mode.toString(8)],
        ["File", 4, "100600"],
      )
      yield* fs.rename("a/~one", "a/two")
      assert.isFalse(yield* fs.exists("a/~one"))
      yield* fs.remove("a", { recursive: true })
      assert.isFalse(yield* fs.exists("a"))
      yield* fs.remove("a", { force: true })
    }))

  test("fail with the errors of an operating system", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* fs.makeDirectory("d")
      yield* fs.writeFileString("d/f", "")
      const tags = {
        read: yield* tagOf(fs.readFile("none")),
        stat: yield* tagOf(fs.stat("none")),
        lstat: yield* tagOf(fs.lstat("none")),
        access: yield* tagOf(fs.access("none", { readable: true })),
        folder: yield* tagOf(fs.readFile("d")),
        list: yield* tagOf(fs.readDirectory("none")),
        again: yield* tagOf(fs.makeDirectory("d")),
        below: yield* tagOf(fs.makeDirectory("none/d")),
        taken: yield* tagOf(fs.writeFileString("d/f", "x", { flag: "wx" })),
        full: yield* tagOf(fs.remove("d")),
        gone: yield* tagOf(fs.remove("none")),
        chmod: yield* tagOf(fs.chmod("none", 0o600)),
        truncate: yield* tagOf(fs.truncate("none")),
        real: yield* tagOf(fs.realPath("none")),
        link: yield* tagOf(fs.readLink("d/f")),
        open: yield* tagOf(fs.open("none")),
        stream: yield* tagOf(Stream.runDrain(fs.stream("none"))),
        watch: yield* tagOf(Stream.runDrain(fs.watch("none"))),
        nothing: yield* tagOf(fs.readFile("")),
        noFollow: yield* tagOf(fs.open("d/f", { noFollow: true })),
      }
      assert.deepStrictEqual(tags, {
        read: "NotFound",
        stat: "NotFound",
        lstat: "NotFound",
        access: "NotFound",
        folder: "BadResource",
        list: "NotFound",
        again: "AlreadyExists",
        below: "NotFound",
        taken: "AlreadyExists",
        full: "Unknown",
        gone: "NotFound",
        chmod: "NotFound",
        truncate: "NotFound",
        real: "NotFound",
        link: "BadArgument",
        open: "NotFound",
        stream: "NotFound",
        watch: "NotFound",
        nothing: "BadArgument",
        noFollow: "BadArgument",
      })
      const reason = yield* failure(fs.readFile("none"))
      assert.match(reason.message, /NotFound: FileSystem\.readFile \(none\)/)
    }))

  test("are linked, copied, given times and truncated", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* fs.makeDirectory("from/in", { recursive: true })
      yield* fs.writeFileString("from/in/.hidden", "1")
      yield* fs.writeFileString("from/file", "12345")
      yield* fs.symlink("file", "from/link")
      assert.strictEqual(yield* fs.readLink("from/link"), "file")
      assert.strictEqual(yield* fs.realPath("from/link"), "/workspace/from/file")
      const link = yield* fs.lstat("from/link")
      assert.deepStrictEqual([link.type, Number(link.size)], ["SymbolicLink", 4])
      assert.strictEqual((yield* fs.stat("from/link")).type, "File")
      assert.strictEqual(yield* tagOf(fs.symlink("x", "from/link")), "AlreadyExists")
      yield* fs.link("from/file", "hard")

      yield* fs.copy("from", "to")
      assert.strictEqual(yield* fs.readFileString("to/in/.hidden"), "1")
      assert.strictEqual(yield* fs.readLink("to/link"), "file")
      yield* fs.writeFileString("from/file", "changed")
      yield* fs.copy("from", "to")
      assert.strictEqual(yield* fs.readFileString("to/file"), "12345")
      yield* fs.copy("from", "to", { overwrite: true })
      assert.strictEqual(yield* fs.readFileString("to/file"), "changed")
      assert.strictEqual(yield* tagOf(fs.copy("from", "from/in/deep")), "BadResource")
      yield* fs.copyFile("hard", "copied")
      assert.strictEqual(yield* tagOf(fs.copyFile("hard", "to")), "BadResource")

      yield* fs.utimes("copied", 1_000_000, new Date(2_000_000_000))
      const { mtime } = yield* fs.stat("copied")
      assert.deepStrictEqual(Option.getOrThrow(mtime), new Date(2_000_000_000))
      yield* fs.chmod("copied", 0o640)
      assert.strictEqual((yield* fs.stat("copied")).mode & 0o777, 0o640)
      yield* fs.access("copied", { readable: true, writable: true })
      yield* fs.truncate("copied", 2)
      assert.strictEqual(yield* fs.readFileString("copied"), "12")
      yield* fs.truncate("copied", 4)
      assert.strictEqual(yield* fs.readFileString("copied"), "12\0\0")
      yield* fs.truncate("copied")
      assert.strictEqual(yield* fs.readFileString("copied"), "")
    }))

  test("are open at a position that reads and writes move", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = yield* fs.open("file", { flag: "w+", mode: 0o600 })
      yield* file.writeAll(bytes("hello world"))
      assert.isTrue(Option.isNone(yield* file.readAlloc(5)))
      yield* file.seek(6n, "start")
      assert.strictEqual(yield* file.write(bytes("there")), 5)
      assert.strictEqual(yield* file.seek(-5n, "current"), 6n)
      const buffer = new Uint8Array(3)
      assert.strictEqual(yield* file.read(buffer), 3)
      assert.deepStrictEqual(buffer, bytes("the"))
      const start = yield* file.readAlloc(5, { position: 0n })
      assert.deepStrictEqual(Option.getOrThrow(start), bytes("hello"))
      assert.deepStrictEqual(Option.getOrThrow(yield* file.readAlloc(99)), bytes("re"))
      yield* file.seek(13n, "start")
      yield* file.writeAll(bytes("!"))
      yield* file.sync
      assert.strictEqual(yield* fs.readFileString("file"), "hello there\0\0!")
      assert.strictEqual(Number((yield* file.stat).size), 14)
      yield* file.truncate(5)
      assert.strictEqual(yield* file.seek(0n, "current"), 5n)
      assert.strictEqual(yield* tagOf(file.seek(-6n, "current")), "BadArgument")

      const log = yield* fs.open("file", { flag: "a" })
      yield* Effect.all([log.writeAll(bytes("1")), file.writeAll(bytes("0"))])
      yield* log.writeAll(bytes("2"))
      assert.strictEqual(yield* fs.readFileString("file"), "hello02")
      assert.strictEqual(yield* tagOf(log.readAlloc(1)), "BadArgument")
      assert.strictEqual(yield* tagOf(fs.open("file", { flag: "wx" })), "AlreadyExists")
    }))

  test("are streamed in pieces, and written whole or not at all", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* fs.writeFileString("file", "0123456789")
      const sizes = Stream.map(fs.stream("file", { chunkSize: 4 }), ({ length }) => length)
      assert.deepStrictEqual(yield* Stream.runCollect(sizes), [4, 4, 2])
      const some = fs.stream("file", { offset: 2, bytesToRead: 3 })
      assert.strictEqual(yield* textOf(some), "234")
      const lines = Stream.make(bytes("a\n"), bytes("b\n"))
      yield* Stream.run(lines, fs.sink("new"))
      yield* Stream.run(lines, fs.sink("new", { flag: "a" }))
      yield* Stream.run(Stream.succeed(bytes("A")), fs.sink("new", { flag: "r+" }))
      assert.strictEqual(yield* fs.readFileString("new"), "A\nb\na\nb\n")
      const broken = Stream.concat(lines, Stream.fail("broken"))
      assert.strictEqual(yield* Effect.flip(Stream.run(broken, fs.sink("file"))), "broken")
      assert.strictEqual(yield* fs.readFileString("file"), "0123456789")
      assert.strictEqual(yield* tagOf(Stream.run(lines, fs.sink("."))), "BadResource")
      assert.strictEqual(
        yield* tagOf(Stream.run(lines, fs.sink("new", { flag: "wx" }))),
        "AlreadyExists",
      )
    }))

  test("are removed with their scope, which closes also when the sandbox is gone", (sandbox) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const made = yield* Effect.scoped(
        Effect.gen(function* () {
          const file = yield* fs.makeTempFileScoped({ prefix: "p-", suffix: ".txt" })
          assert.match(file, /^\/tmp\/p-[0-9a-f]+\/[0-9a-f]+\.txt$/)
          const folder = yield* fs.makeTempDirectoryScoped({ directory: "/workspace" })
          assert.isTrue((yield* fs.exists(file)) && (yield* fs.exists(folder)))
          return [file, folder]
        }),
      )
      for (const path of made) assert.isFalse(yield* fs.exists(path))
      yield* Effect.scoped(Effect.andThen(fs.makeTempFileScoped(), sandbox.remove))
      assert.strictEqual(yield* tagOf(fs.readFile("x")), "BadResource")
    }))

  test("are watched", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* fs.makeDirectory("d/node_modules", { recursive: true })
      const events = fs.watch("d", {
        recursive: true,
        onReady: () => Effect.runFork(fs.writeFileString("d/node_modules/new", "")),
      })
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(events, 1)), [
        { _tag: "Create", path: "node_modules/new" },
      ])
      yield* fs.writeFileString("d/one", "")
      const one = fs.watch("d/one", {
        onReady: () =>
          Effect.runFork(
            Effect.andThen(fs.writeFileString("d/other", ""), fs.writeFileString("d/one", "1")),
          ),
      })
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(one, 1)), [
        { _tag: "Update", path: "one" },
      ])
    }))

  test("have paths relative to the sandbox's folder", () =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      assert.strictEqual(path.resolve("a", "../b"), "/workspace/b")
      assert.strictEqual(path.relative("a", "/workspace/b"), "../b")
      assert.strictEqual((yield* path.toFileUrl("a")).href, "file:///workspace/a")
      assert.isTrue(Option.isNone(path.resolveWithin("a", "../b")))
      assert.strictEqual(path.sep, "/")
    }))
})
