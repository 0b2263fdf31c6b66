import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { tagOf } from "../../support/effects.ts"
import { makeSandbox, out } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

/** Searching in files. */
export const searchContract = ({ check, lacks }: FeatureStage) =>
  describe("search", () => {
    check("search finds text and expressions in files of any name", () =>
      Effect.gen(function* () {
        const { files } = yield* makeSandbox()
        yield* files.write("a.ts", "one\ntwo (x+y)\n")
        yield* files.write("b:2:.ts", "x+y\n")
        yield* files.write("sub/new\n./line", "  X+Y no end")
        yield* files.write("node_modules/m.ts", "x+y")
        yield* files.write(".git/config", "x+y")
        const found = (pattern: string, more: Parameters<typeof files.search>[1] = {}) =>
          Effect.map(files.search(pattern, more), ({ matches }) =>
            matches.map(({ path, line, text }) => `${path}|${line}|${text}`).sort(),
          )
        const a = "/work/a.ts|2|two (x+y)"
        const b = "/work/b:2:.ts|1|x+y"
        const c = "/work/sub/new\n./line|1|  X+Y no end"
        assert.deepStrictEqual(yield* found("x+y"), [a, b])
        assert.deepStrictEqual(yield* found("x+y", { ignoreCase: true }), [a, b, c])
        assert.deepStrictEqual(yield* found("x+y", { regex: true }), [])
        assert.deepStrictEqual(yield* found("^(one|x.y)$", { regex: true }), [
          "/work/a.ts|1|one",
          b,
        ])
        assert.deepStrictEqual(yield* found("x+y", { include: "a*" }), [a])
        assert.lengthOf(yield* found("x+y", { exclude: [] }), 4)
        assert.deepStrictEqual(yield* found("X+Y", { path: "sub" }), [c])
        assert.deepStrictEqual(yield* found("-e"), [])
      }),
    )

    check("search is bounded in matches and line length, and refuses a bad pattern", () =>
      Effect.gen(function* () {
        const { files } = yield* makeSandbox()
        yield* files.write("many", "hit\n".repeat(50))
        const some = yield* files.search("hit", { limit: 10 })
        assert.lengthOf(some.matches, 10)
        assert.isTrue(some.truncated)
        assert.isFalse((yield* files.search("hit", { limit: 50 })).truncated)
        yield* files.write("long", `${"long ".repeat(100_000)}\nshort long\n`)
        const { matches } = yield* files.search("long")
        assert.deepStrictEqual(
          matches.map(({ line, text }) => [line, text.length]),
          [
            [1, 1000],
            [2, 10],
          ],
        )
        assert.strictEqual(yield* tagOf(files.search("(", { regex: true })), "InvalidInput")
        for (const pattern of ["", "a\nb", "a\0b"]) {
          assert.strictEqual(yield* tagOf(files.search(pattern)), "InvalidInput")
        }
        assert.strictEqual(yield* tagOf(files.search("x", { path: "none" })), "FileNotFound")
      }),
    )

    check(
      "search passes over FIFOs and links",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          yield* out(sandbox, "mkfifo pipe; ln -s /etc/passwd users; echo root: > real")
          const { matches } = yield* sandbox.files.search("root:")
          assert.deepStrictEqual(
            matches.map(({ path }) => path),
            ["/work/real"],
          )
          const kinds = (yield* sandbox.files.list()).map(({ kind }) => kind)
          assert.deepStrictEqual(kinds, ["other", "file", "symlink"])
        }),
      lacks.specialFiles,
    )
  })
