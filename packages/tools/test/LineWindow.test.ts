import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { LineWindow } from "../src/LineWindow.ts"

const linesOf = (text: string) => text.match(/[^\n]*\n|[^\n]+$/g) ?? []

const feed = (window: LineWindow, text: string, size: number) => {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) window.push(bytes.subarray(at, at + size))
  return window
}

const lines = Arbitrary.array(
  Arbitrary.schema(Schema.Literals(["", "a", "bcd", "ü", "€uro", "\r"])),
  {
    maxLength: 12,
  },
)
const ended = Arbitrary.schema(Schema.Boolean)
const small = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 14 })))
const textOf = (parts: ReadonlyArray<string>, end: boolean) => parts.join("\n") + (end ? "\n" : "")

describe("LineWindow", () => {
  it.prop(
    "selects the same lines as splitting the whole text, however it is chunked",
    [lines, ended, small, small, small],
    ([parts, end, start, count, size]) => {
      const text = textOf(parts, end)
      const all = linesOf(text)
      const window = feed(new LineWindow(start, start + count - 1, 1000), text, size)
      const expected = all.slice(start - 1, start - 1 + count)
      assert.strictEqual(window.result.bytes.toString(), expected.join(""))
      assert.strictEqual(window.result.lines, expected.length)
      assert.strictEqual(window.result.cut, "no")
      assert.strictEqual(window.linesSeen, all.length)
      if (expected.length > 0) {
        assert.strictEqual(window.offset, Buffer.byteLength(all.slice(0, start - 1).join("")))
      }
    },
  )

  it.prop(
    "keeps at most its limit, and only whole lines unless a single one is too long",
    [lines, ended, small, small],
    ([parts, end, limit, size]) => {
      const text = textOf(parts, end)
      const { bytes, lines, cut } = feed(
        new LineWindow(1, Number.POSITIVE_INFINITY, limit),
        text,
        size,
      ).result
      assert.isAtMost(bytes.length, limit)
      assert.isTrue(Buffer.from(text).subarray(0, bytes.length).equals(bytes))
      const all = linesOf(text)
      if (cut !== "line") assert.strictEqual(bytes.toString(), all.slice(0, lines).join(""))
      if (cut === "line") assert.isAbove(Buffer.byteLength(all[0] ?? ""), limit)
      if (cut === "no") assert.strictEqual(bytes.toString(), text)
    },
  )
})
