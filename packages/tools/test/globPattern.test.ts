import { posix } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { alternatives, nameMatcher, pathMatcher } from "../src/extra/globPattern.ts"

const fits = (glob: string, path: string) =>
  pathMatcher(alternatives(glob) ?? assert.fail("too many"))(path)

describe("a glob", () => {
  it.each([
    ["*.ts", "a.ts", true],
    ["*.ts", "src/deep/a.ts", true],
    ["*.ts", "a.tsx", false],
    ["src/*.ts", "src/a.ts", true],
    ["src/*.ts", "src/b/a.ts", false],
    ["src/**/*.ts", "src/a.ts", true],
    ["src/**/*.ts", "src/b/c/a.ts", true],
    ["src/**/*.ts", "lib/a.ts", false],
    ["**/test/**", "a/test/b/c", true],
    ["**/test/**", "a/tests/b", false],
    ["**", "a/b", true],
    ["a?c", "abc", true],
    ["a?c", "ac", false],
    ["[a-c]x", "bx", true],
    ["[!a-c]x", "bx", false],
    ["[!a-c]x", "dx", true],
    ["a[b", "a[b", true],
    ["*.{ts,tsx}", "x.tsx", true],
    ["{src,lib/{a,b}}/*.js", "lib/b/x.js", true],
    ["{src,lib}/*.js", "bin/x.js", false],
    ["a{b", "a{b", true],
    [".*", ".env", true],
    ["*", ".env", true],
    ["a*b*c", "axxbxxbxxc", true],
    ["a*b*c", "axxbxxbxx", false],
    ["日本*", "日本語", true],
    ["?", "😀", true],
  ])("%s and %s: %s", (glob, path, expected) => {
    assert.strictEqual(fits(glob, path), expected)
  })

  it("matches names as Node's own glob does", () => {
    const letters = ["a", "b", "*", "?"]
    const words = (length: number): Array<string> =>
      length === 0 ? [""] : words(length - 1).flatMap((word) => letters.map((more) => word + more))
    const names = [...words(2), ...words(3)].filter((name) => !/[*?]/.test(name))
    for (const glob of words(4)) {
      // Two stars alone are folders to Node.
      if (glob.includes("**")) continue
      const matches = nameMatcher(glob)
      for (const name of names) {
        assert.strictEqual(matches(name), posix.matchesGlob(name, glob), `${glob} ${name}`)
      }
    }
  })

  it("with many stars is matched in little time", () => {
    assert.isFalse(nameMatcher("*a".repeat(100))(`${"a".repeat(250)}b`))
  })

  it("with too many alternatives is refused", () => {
    assert.isUndefined(alternatives("{a,b}".repeat(20)))
    assert.lengthOf(alternatives("{a,b}{c,d}") ?? [], 4)
  })
})
