import { stripVTControlCharacters } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Condenser, condense } from "../src/condense.ts"

/** The same output in pieces, cut at these places. */
const inPieces = (text: string, cuts: ReadonlyArray<number>) => {
  const bytes = new TextEncoder().encode(text)
  const condenser = new Condenser()
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b,
  )
  let all = ""
  for (const [index, from] of places.slice(0, -1).entries()) {
    all += condenser.push(bytes.subarray(from, places[index + 1]))
  }
  return all + condenser.end()
}

describe("condensed output", () => {
  it.each([
    ["redraws by carriage return", "10 %\r 50 %\r100 %\ndone\n", "100 %\ndone\n"],
    ["Windows line ends", "a\r\nb\r\n", "a\nb\n"],
    ["a return with nothing after it", "kept\r\r\nb", "kept\nb"],
    ["a cleared line", "50 %\x1b[2K\x1b[1Gdone\n", "done\n"],
    ["a line that is cleared for good", "50 %\r\x1b[K\nnext\n", "\nnext\n"],
    ["a column that is set", "one\x1b[Gtwo\n", "two\n"],
    ["a spinner of backspaces", "|\b/\b-\bok\n", "ok\n"],
    [
      "colours",
      "\x1b[1;31mred\x1b[0m and \x1b]8;;http://a\x07link\x1b]8;;\x07\n",
      "red and link\n",
    ],
    ["other controls", "a\0b\x07c\td\x7f\n", "abc\td\n"],
    ["nothing", "", ""],
  ])("keeps what a terminal finally shows of %s", (_, output, shown) => {
    assert.strictEqual(condense(output), shown)
  })

  const piece = fc.oneof(
    fc.constantFrom(
      "\r",
      "\n",
      "\r\n",
      "\b",
      "\x1b[2K",
      "\x1b[1G",
      "\x1b[K",
      "\x1b[31m",
      "\x1b[0m",
    ),
    fc.string({ unit: "grapheme", maxLength: 6 }),
  )
  const output = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(""))

  it("is the same however the output is split", () => {
    return fc.assert(
      fc.property(output, fc.array(fc.nat(), { maxLength: 20 }), (text, cuts) => {
        assert.strictEqual(inPieces(text, cuts), condense(text))
      }),
    )
  })

  it("contains no control character except tabs and newlines, and keeps each line", () => {
    return fc.assert(
      fc.property(fc.oneof(output, fc.string({ unit: "binary" })), (text) => {
        const shown = condense(text)
        assert.notMatch(shown, /[^\P{Cc}\t\n]/u)
        assert.strictEqual(shown.split("\n").length, text.split("\n").length)
      }),
    )
  })

  it("changes nothing in plain text", () => {
    return fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        fc.pre(stripVTControlCharacters(text) === text && !/[^\P{Cc}\t\n]/u.test(text))
        assert.strictEqual(condense(text), text)
      }),
    )
  })

  it("keeps only the last state of an endless progress bar, in bounded memory", () => {
    const condenser = new Condenser()
    let given = 0
    for (let step = 0; step < 200_000; step += 1) {
      given += condenser.push(Buffer.from(`\r${step} of 200000 ${"=".repeat(step % 50)}`)).length
    }
    assert.strictEqual(given, 0)
    assert.strictEqual(condenser.end(), `199999 of 200000 ${"=".repeat(49)}`)
  })

  it("passes long lines on as they come, whatever they contain", () => {
    for (const unit of ["x", " ", "\x1b", "\x1b[", "ü", "\r ", "\x1b[31m"]) {
      const condenser = new Condenser()
      let held = 0
      let given = 0
      for (let step = 0; step < 300; step += 1) {
        held += 10_000
        const shown = condenser.push(Buffer.from(unit.repeat(10_000 / unit.length)))
        given += shown.length
      }
      const rest = condenser.end().length
      assert.isAtMost(rest, 50_000, JSON.stringify(unit))
      assert.isAtMost(given + rest, held)
      if (unit === "x" || unit === " ") assert.strictEqual(given + rest, held)
    }
  })
})
