import { posix, win32 } from "node:path"
import { storagePath } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { hostNameProblem } from "../src/session-files/hostNames.ts"

/** Where a path of session storage ends on a host; undefined where it is refused. */
const placeOn = ({ join, sep }: typeof posix, root: string, path: string): string | undefined => {
  const found = Effect.runSync(Effect.option(storagePath(path)))
  return found._tag === "None" || hostNameProblem(found.value, sep) !== undefined
    ? undefined
    : join(root, found.value)
}
const onWindows = (path: string) => placeOn(win32, "C:\\storage", path)
const onLinux = (path: string) => placeOn(posix, "/storage", path)

describe("names of session files", () => {
  it.each([
    "..\\..\\evil",
    "a\\b",
    "\\\\server\\share",
    "C:evil",
    "c:",
    "C:/evil",
    "file.txt:stream",
    "a/CON",
    "nul",
    "NUL.txt",
    "aux .txt",
    "com1",
    "LPT9.log",
    "COM¹",
    "conin$",
    "a./b",
    "a /b",
    "dots..",
    "a*b",
    "a?b",
    "a<b",
    "a|b",
    'a"b',
    "a\nb",
    "..\u0000",
  ])("refuses %j on Windows", (path) => {
    assert.isUndefined(onWindows(path))
  })

  it.each(["console.log", "com10", "a.b/c d", ".hidden", "née", "null", "a/b/c.txt", "~"])(
    "accepts %j everywhere",
    (path) => {
      assert.strictEqual(onWindows(path), win32.join("C:\\storage", path))
      assert.strictEqual(onLinux(path), posix.join("/storage", path))
    },
  )

  it("accepts on POSIX names that only Windows reserves", () => {
    for (const path of ["a\\b", "C:evil", "NUL", "dots..", "a*b"]) {
      assert.strictEqual(onLinux(path), `/storage/${path}`)
    }
  })

  const part = fc.oneof(
    fc.constantFrom("..", ".", "", "\\", "C:", "CON", "nul.", " ", "a", "/"),
    fc.string(),
    fc.string({ unit: fc.constantFrom("\\", "/", ":", ".", " ", "a", "C") }),
  )

  it.each([
    ["Windows", win32, "C:\\storage"],
    ["POSIX", posix, "/storage"],
  ] as const)("stay below the storage folder on %s, each part as one name", (_, flavour, root) =>
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        const path = parts.join("/")
        const place = placeOn(flavour, root, path)
        if (place === undefined) return
        const below = flavour.relative(root, flavour.resolve(place))
        const names = path.split("/").filter((name) => name !== "" && name !== ".")
        assert.deepStrictEqual(below === "" ? [] : below.split(flavour.sep), names)
      }),
      { numRuns: 2000 },
    ),
  )
})
