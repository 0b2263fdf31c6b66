import { giveBack } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Blocks } from "../../src/init/Blocks.ts"

const block = 128 * 1024

describe("Blocks", () => {
  it("returns all bytes in order, in its own memory, whether blocks are given back or not", () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 300_000 }), fc.boolean()), { maxLength: 20 }),
        fc.boolean(),
        (pushes, lends) => {
          const blocks = new Blocks(lends)
          const read = new Uint8Array(300_000)
          let pushed = 0
          let taken = 0
          const take = () => {
            for (const { bytes } of blocks.take()) {
              assert.notStrictEqual(bytes.buffer, read.buffer)
              assert.isTrue(bytes.every((byte) => byte === taken++ % 251))
              giveBack(bytes)
            }
            assert.isTrue(blocks.empty)
          }
          for (const [size, takes] of pushes) {
            // As a connection reads: into the same memory again and again.
            const piece = read.subarray(0, size)
            for (let n = 0; n < size; n++) piece[n] = pushed++ % 251
            blocks.push(1, piece)
            if (takes) take()
          }
          take()
          assert.strictEqual(taken, pushed)
        },
      ),
      { numRuns: 50 },
    ))

  it("reuses blocks that were given back, and no others", () => {
    const blocks = new Blocks(true)
    const next = (fill: number) => {
      blocks.push(1, new Uint8Array(block).fill(fill))
      return blocks.take()[0]?.bytes ?? new Uint8Array()
    }
    next(0)
    const kept = next(1)
    const lent = next(2)
    giveBack(lent)
    const again = next(3)
    assert.strictEqual(again.buffer, lent.buffer)
    assert.isTrue(kept.every((byte) => byte === 1))
    const other = next(4)
    assert.notStrictEqual(other.buffer, lent.buffer)
    assert.isTrue(again.every((byte) => byte === 3))
  })

  it("allocates no more than a little output needs", () => {
    const blocks = new Blocks(true)
    blocks.push(1, new Uint8Array(100))
    assert.strictEqual(blocks.take()[0]?.bytes.buffer.byteLength, 100)
  })
})
