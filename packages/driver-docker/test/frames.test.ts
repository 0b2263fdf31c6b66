import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { FrameParser, MalformedFrame } from "../src/engine/frames.ts"

const frame = (stream: number, payload: Uint8Array) => {
  const header = Buffer.alloc(8)
  header[0] = stream
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}

describe("FrameParser", () => {
  it("parses both outputs in order, wherever the pieces end", () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 300 }))),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
        (frames, cuts) => {
          const wire = Buffer.concat(frames.map(([stream, payload]) => frame(stream, payload)))
          const parser = new FrameParser()
          const got: Array<[string, number]> = []
          for (let at = 0, n = 0; at < wire.length; n++) {
            const size = cuts[n % cuts.length] ?? 1
            for (const { _tag, bytes } of parser.push(wire.subarray(at, at + size))) {
              for (const byte of bytes) got.push([_tag, byte])
            }
            at += size
          }
          const expected = frames.flatMap(([stream, payload]) =>
            [...payload].map((byte): [string, number] => [
              stream === 2 ? "Stderr" : "Stdout",
              byte,
            ]),
          )
          assert.deepStrictEqual(got, expected)
        },
      ),
      { numRuns: 300 },
    ))

  it("refuses bytes that are no frame", () => {
    for (const junk of [
      "HTTP/1.1 400 Bad Request",
      "\x03\0\0\0\0\0\0\x01x",
      "\x01\x01\0\0\0\0\0\x01x",
    ]) {
      assert.throws(() => new FrameParser().push(Buffer.from(junk, "latin1")), MalformedFrame)
    }
  })
})
