import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FileTree } from "../src/files/FileTree.ts"
import { listFolder, moveFile, removeFile, searchFolder } from "../src/files/folders.ts"
import { globMatcher } from "../src/files/glob.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

const treeOf = (files: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const tree = new FileTree(1024 ** 2)
    for (const [path, text] of Object.entries(files)) yield* tree.write(path, bytes(text))
    return tree
  })

const paths = (tree: FileTree, path = "/", exclude: ReadonlyArray<string> = []) =>
  Effect.map(listFolder(tree, path, 99, exclude), (entries) => entries.map(({ path }) => path))

describe("a glob", () => {
  it.each<readonly [string, string, boolean]>([
    ["a", "a", true],
    ["a", "ab", false],
    ["", "", true],
    ["*", "", true],
    ["*.ts", ".ts", true],
    ["*.ts", "a.b.ts", true],
    ["*.ts", "a.tsx", false],
    ["a*b*c", "aXbYbZc", true],
    ["a*b*c", "aXbYbZ", false],
    ["?", "日", true],
    ["?", "", false],
    ["[a-c]x", "bx", true],
    ["[a-c]x", "dx", false],
    ["[!a-c]", "d", true],
    ["[^a]", "a", false],
    ["[]x]", "]", true],
    ["[a-]", "-", true],
    ["[a", "[a", true],
    ["\\*", "*", true],
    ["\\*", "a", false],
    ["\\", "\\", true],
    [".*", ".git", true],
  ])("%j fits %j: %j", (glob, name, fits) => {
    assert.strictEqual(globMatcher(glob)(name), fits)
  })

  it("matches in time that does not explode with the number of stars", () => {
    assert.isFalse(globMatcher(`${"*a".repeat(100)}b`)("a".repeat(255)))
  })
})

describe("folders of a file tree", () => {
  it.effect("are listed without excluded names and Cordon's own files, and not through links", () =>
    Effect.gen(function* () {
      const tree = yield* treeOf({ "/w/a.ts": "1", "/w/skip/x": "", "/w/.cordon-1/x": "" })
      yield* tree.attempt("/w/link", (fs) => fs.symlink("/w", "/w/link"))
      assert.deepStrictEqual(yield* paths(tree, "/w"), ["a.ts", "link", "skip", "skip/x"])
      assert.deepStrictEqual(yield* paths(tree, "/w/link", ["s*"]), ["a.ts", "link"])
      assert.deepStrictEqual(yield* paths(tree, "/", ["w"]), [])
    }),
  )

  it.effect("move with the modes and times of all that is in them", () =>
    Effect.gen(function* () {
      const tree = yield* treeOf({ "/w/d/sub/f": "x" })
      const old = new Date("2020-01-01")
      for (const path of ["/w/d/sub/f", "/w/d/sub", "/w/d"]) {
        yield* tree.attempt(path, (fs) => fs.chmod(path, 0o700))
        yield* tree.setTime(path, old)
      }
      yield* moveFile(tree, "/w/d", "/new/e")
      for (const path of ["/new/e", "/new/e/sub", "/new/e/sub/f"]) {
        assert.deepInclude(yield* tree.stat(path), { mode: 0o700, modifiedAt: old })
      }
      assert.deepStrictEqual(yield* paths(tree, "/w"), [])
    }),
  )

  it.effect("and links are removed and moved without a link's target", () =>
    Effect.gen(function* () {
      const tree = yield* treeOf({ "/d/f": "x", "/other": "y" })
      yield* tree.attempt("/link", (fs) => fs.symlink("/d", "/link"))
      yield* moveFile(tree, "/link", "/moved")
      assert.strictEqual(
        (yield* Effect.flip(moveFile(tree, "/other", "/moved")))._tag,
        "AlreadyExists",
      )
      yield* removeFile(tree, "/moved", true)
      assert.deepStrictEqual(yield* paths(tree), ["d", "d/f", "other"])
      // A link in the way of a file is replaced, and not written through.
      yield* tree.attempt("/to", (fs) => fs.symlink("/d/f", "/to"))
      yield* moveFile(tree, "/other", "/to")
      assert.strictEqual(Buffer.from(yield* tree.read("/d/f")).toString(), "x")
      assert.strictEqual(Buffer.from(yield* tree.read("/to")).toString(), "y")
    }),
  )

  it.effect("are refused for a path without a name, or a move into itself", () =>
    Effect.gen(function* () {
      const tree = yield* treeOf({ "/d/f": "x" })
      for (const path of ["/", "/d/.", "/d/.."]) {
        assert.strictEqual((yield* Effect.flip(removeFile(tree, path, true)))._tag, "InvalidPath")
        assert.strictEqual((yield* Effect.flip(moveFile(tree, path, "/x")))._tag, "InvalidPath")
        assert.strictEqual((yield* Effect.flip(moveFile(tree, "/d/f", path)))._tag, "AlreadyExists")
      }
      assert.strictEqual((yield* Effect.flip(moveFile(tree, "/d", "/d/e/f")))._tag, "InvalidPath")
      yield* moveFile(tree, "/d/f", "/d/f")
      assert.deepStrictEqual(yield* paths(tree), ["d", "d/f"])
    }),
  )

  it.effect("are searched only in text files, with any names and patterns", () =>
    Effect.gen(function* () {
      const tree = yield* treeOf({
        "/w/-e": "$x hit\nno\n",
        "/w/it's \n1:2": "hit",
        "/w/binary": "hit\0",
        "/w/empty": "",
      })
      const plain = { regex: false, ignoreCase: false, exclude: [] }
      const found = (pattern: string) =>
        Effect.map(searchFolder(tree, "/w", { pattern, ...plain }), (matches) =>
          matches.map(({ path, line, text }) => `${path}|${line}|${text}`),
        )
      assert.deepStrictEqual(yield* found("hit"), ["-e|1|$x hit", "it's \n1:2|1|hit"])
      assert.deepStrictEqual(yield* found("$x"), ["-e|1|$x hit"])
      assert.deepStrictEqual(yield* found("-v"), [])
    }),
  )
})
