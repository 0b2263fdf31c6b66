import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { decodeText, strayBytes, wholeLength } from "../src/utf8.ts"

const characters = Arbitrary.array(
  Arbitrary.schema(Schema.Literals(["a", "ß", "€", "\u{1f600}", "\n", "\ufeff"])),
  { maxLength: 8 },
)
const position = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 40 })))

describe("UTF-8", () => {
  it.prop("splits anywhere into whole characters", [characters, position], ([parts, at]) => {
    const bytes = Buffer.from(parts.join(""))
    const head = bytes.subarray(0, at)
    const kept = head.subarray(0, wholeLength(head))
    const rest = bytes.subarray(kept.length)
    assert.strictEqual(`${decodeText(kept)}${decodeText(rest)}`, parts.join(""))
    assert.isBelow(head.length - kept.length, 4)
    const tail = bytes.subarray(at)
    assert.isDefined(decodeText(tail.subarray(strayBytes(tail))))
  })

  it("does not mistake binary for text", () => {
    assert.isUndefined(decodeText(Uint8Array.of(0x89, 0x50, 0x4e, 0x47)))
    assert.isUndefined(decodeText(Uint8Array.of(0x61, 0, 0x62)))
    assert.isUndefined(decodeText(Buffer.from("gr\xfcn", "latin1")))
    assert.strictEqual(decodeText(Buffer.from("\ufeffbom")), "\ufeffbom")
  })
})
