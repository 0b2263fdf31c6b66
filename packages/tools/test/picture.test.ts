import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { pictureType, unfitPicture } from "../src/picture.ts"
import { pictures } from "./pictures.ts"

const typeOf = (kind: string) =>
  kind === "png"
    ? "image/png"
    : kind === "gif"
      ? "image/gif"
      : kind === "webp"
        ? "image/webp"
        : "image/jpeg"

describe("pictures", () => {
  it.each(Object.entries(pictures))("of type %s are recognised and accepted", (kind, bytes) => {
    assert.strictEqual(pictureType(bytes.subarray(0, 16)), `image/${kind}`)
    assert.isUndefined(unfitPicture(typeOf(kind), bytes))
  })

  it.each(Object.entries(pictures))("of type %s that are truncated are refused", (kind, bytes) => {
    const half = bytes.subarray(0, Math.floor(bytes.length / 2))
    assert.include(unfitPicture(typeOf(kind), half), "not whole")
  })

  it("with more pixels than any provider accepts are refused", () => {
    const wide = Buffer.from(pictures.png)
    wide.writeUInt32BE(8001, 16)
    assert.include(unfitPicture("image/png", wide), "8001 x 1 pixels")
    wide.writeUInt32BE(0, 16)
    assert.include(unfitPicture("image/png", wide), "damaged")
  })

  it("from random bytes do not throw", () => {
    const types = ["image/png", "image/jpeg", "image/gif", "image/webp"] as const
    const starts = Object.values(pictures).map((bytes) => bytes.subarray(0, 24))
    return fc.assert(
      fc.property(
        fc.constantFrom(Buffer.alloc(0), ...starts),
        fc.uint8Array({ maxLength: 100 }),
        (start, rest) => {
          const bytes = Buffer.concat([start, rest])
          pictureType(bytes.subarray(0, 16))
          for (const type of types) unfitPicture(type, bytes)
        },
      ),
    )
  })
})
