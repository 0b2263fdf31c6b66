import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { tagOf } from "../../support/effects.ts"
import { makeSandbox, out } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

/** Folders: what is in them, and how it is changed. */
export const foldersContract = ({ check, lacks }: FeatureStage) =>
  describe("folders", () => {
    check("list tells kinds, sizes, modes and times, whatever the names", () =>
      Effect.gen(function* () {
        const { files, ...sandbox } = yield* makeSandbox()
        yield* files.write("plain.txt", "12345", { mode: 0o640 })
        const odd = ["with space", "-dash", "new\nline", "a:1:b", "quote'\"$x`y", "ünï 日"]
        for (const name of odd) yield* files.write(`sub/${name}`, "x")
        yield* out({ files, ...sandbox }, "ln -s plain.txt link; mkdir -p sub/deep/er")
        const top = yield* files.list()
        assert.deepStrictEqual(
          top.map(({ name, path, kind, size }) => [name, path, kind, size]),
          [
            ["link", "/work/link", "symlink", 0],
            ["plain.txt", "/work/plain.txt", "file", 5],
            ["sub", "/work/sub", "directory", 0],
          ],
        )
        assert.strictEqual(top[1]?.mode, 0o640)
        const age = Date.now() - (top[1]?.modifiedAt.getTime() ?? 0)
        assert.isBelow(Math.abs(age), 120_000)
        const below = yield* files.list("./sub/", { depth: 2 })
        assert.deepStrictEqual(
          below.map(({ path }) => path),
          [...odd.map((name) => `/work/sub/${name}`), "/work/sub/deep", "/work/sub/deep/er"].sort(),
        )
        assert.deepStrictEqual(yield* files.list("sub/deep/er"), [])
        assert.isTrue((yield* files.list("/")).some(({ path }) => path === "/work"))
      }),
    )

    check("list is bounded, and refuses a file or a missing folder", () =>
      Effect.gen(function* () {
        const { files } = yield* makeSandbox()
        for (const name of ["a", "b", "c"]) yield* files.write(`d/${name}`, "")
        assert.lengthOf(yield* files.list("d", { limit: 3 }), 3)
        assert.strictEqual(yield* tagOf(files.list("d", { limit: 2 })), "TooManyFiles")
        assert.strictEqual(yield* tagOf(files.list("d/a")), "NotADirectory")
        assert.strictEqual(yield* tagOf(files.list("none")), "FileNotFound")
        assert.strictEqual(yield* tagOf(files.list("d", { depth: 0 })), "InvalidInput")
        assert.strictEqual(yield* tagOf(files.list("x\0y")), "InvalidPath")
      }),
    )

    check("makeDirectory makes parents too, and may be called twice", () =>
      Effect.gen(function* () {
        const { files } = yield* makeSandbox()
        yield* files.makeDirectory("a/b c/-d")
        yield* files.makeDirectory("a/b c/-d/")
        assert.strictEqual((yield* files.stat("a/b c/-d")).kind, "directory")
        assert.isTrue(yield* files.exists("a"))
        assert.isFalse(yield* files.exists("b"))
        yield* files.write("file", "")
        assert.strictEqual(yield* tagOf(files.makeDirectory("file")), "NotADirectory")
        assert.strictEqual(yield* tagOf(files.makeDirectory("file/below")), "NotADirectory")
      }),
    )

    check("move makes parents, and replaces a file but never a folder", () =>
      Effect.gen(function* () {
        const { files } = yield* makeSandbox()
        yield* files.write("from/-a b", "moved")
        yield* files.write("to/old", "replaced")
        yield* files.move("from/-a b", "to/old")
        assert.strictEqual(yield* files.readText("to/old"), "moved")
        assert.isFalse(yield* files.exists("from/-a b"))
        yield* files.move("to/", "new/parents/here")
        assert.strictEqual(yield* files.readText("new/parents/here/old"), "moved")
        // Never into a folder that is already there.
        yield* files.write("single", "x")
        assert.strictEqual(yield* tagOf(files.move("single", "new")), "AlreadyExists")
        assert.strictEqual(yield* tagOf(files.move("new", "single")), "AlreadyExists")
        assert.strictEqual(yield* tagOf(files.move("new", "from")), "AlreadyExists")
        assert.deepStrictEqual(yield* files.list("from"), [])
        assert.strictEqual(yield* tagOf(files.move("none", "x")), "FileNotFound")
        assert.strictEqual(yield* tagOf(files.move("single", "single/x")), "NotADirectory")
        assert.strictEqual(yield* tagOf(files.move("new", "new/inside")), "InvalidPath")
        assert.strictEqual(yield* tagOf(files.move("/", "/elsewhere")), "InvalidPath")
        assert.strictEqual(yield* files.readText("single"), "x")
      }),
    )

    check("remove takes a full folder only when told to, and a link without its target", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const { files } = sandbox
        yield* files.write("d/kept", "here")
        yield* files.makeDirectory("empty")
        yield* out(sandbox, "ln -s d link; ln -s nowhere dangling")
        assert.strictEqual(yield* tagOf(files.remove("d")), "DirectoryNotEmpty")
        yield* files.remove("empty")
        yield* files.remove("link/", { recursive: true })
        yield* files.remove("dangling")
        assert.strictEqual(yield* files.readText("d/kept"), "here")
        assert.deepStrictEqual(
          (yield* files.list()).map(({ name }) => name),
          ["d"],
        )
        yield* files.remove("d", { recursive: true })
        assert.deepStrictEqual(yield* files.list(), [])
        assert.strictEqual(yield* tagOf(files.remove("d")), "FileNotFound")
        for (const root of ["/", "//", "/work/..", "/."]) {
          const wipe = files.remove(root, { recursive: true })
          assert.strictEqual(yield* tagOf(wipe), "InvalidPath")
        }
      }),
    )

    check(
      "list, move and remove refuse what the user may not touch",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox({ user: "65534:65534", workdir: "/tmp" })
          const { files } = sandbox
          yield* sandbox.run("mkdir -m 700 /tmp/closed", { user: "0" })
          assert.strictEqual(yield* tagOf(files.remove("/etc/passwd")), "PermissionDenied")
          assert.strictEqual(
            yield* tagOf(files.remove("/etc", { recursive: true })),
            "PermissionDenied",
          )
          assert.strictEqual(yield* tagOf(files.move("/etc/passwd", "p")), "PermissionDenied")
          yield* files.write("own", "")
          assert.strictEqual(yield* tagOf(files.move("own", "/etc/own")), "PermissionDenied")
          assert.strictEqual(yield* tagOf(files.makeDirectory("/etc/x")), "PermissionDenied")
          assert.strictEqual(yield* tagOf(files.list("/tmp/closed")), "PermissionDenied")
          assert.isTrue(yield* files.exists("/etc/passwd"))
        }),
      lacks.permissions,
    )
  })
