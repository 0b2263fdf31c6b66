import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Backlog } from "../../src/init/Backlog.ts"

describe("Backlog", () => {
  it("gives back all of each stream in order, however it came", () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.constantFrom(1, 2),
            fc.oneof(
              fc.uint8Array({ maxLength: 20 }),
              fc.nat({ max: 9000 }).map((size) => new Uint8Array(size).fill(size)),
            ),
            fc.boolean(),
          ),
          { maxLength: 300 },
        ),
        (pushes) => {
          const backlog = new Backlog()
          const taken = [1, 2].map((): Array<Uint8Array> => [])
          const take = () => {
            for (const { stream, bytes } of backlog.take()) taken[stream - 1]?.push(bytes)
          }
          for (const [stream, bytes, takes] of pushes) {
            backlog.push(stream, bytes)
            if (takes) take()
          }
          take()
          for (const stream of [1, 2]) {
            const expected = pushes.filter(([of]) => of === stream).map(([, bytes]) => bytes)
            assert.isTrue(Buffer.concat(expected).equals(Buffer.concat(taken[stream - 1] ?? [])))
          }
        },
      ),
    ))

  it("keeps few pieces of output that comes byte by byte, from both streams in turn", () => {
    const backlog = new Backlog()
    for (let n = 0; n < 256 * 1024; n++) backlog.push(1 + (n % 2), Uint8Array.of(n))
    assert.isBelow(backlog.take().length, 200)
  })

  it("does not hold the memory that a short piece came in", () => {
    const backlog = new Backlog()
    backlog.push(1, new Uint8Array(64 * 1024).subarray(0, 10))
    const [piece] = backlog.take()
    assert.isAtMost(piece?.bytes.buffer.byteLength ?? 0, Buffer.poolSize)
  })

  it("keeps one position of many in a row", () => {
    const backlog = new Backlog()
    for (let n = 0; n < 1000; n++) backlog.position(new Uint8Array(8).fill(n))
    assert.deepStrictEqual(
      backlog.take().map(({ bytes }) => [...bytes]),
      [new Array(8).fill(999 % 256)],
    )
  })
})
