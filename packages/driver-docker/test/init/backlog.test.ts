import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Backlog } from "../../src/init/Backlog.ts"
import { ChannelOutput } from "../../src/init/ChannelOutput.ts"

describe("Backlog", () => {
  it("returns all of each stream in order, however it arrived", () =>
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

  it("does not hold the large buffer of a short piece", () => {
    const backlog = new Backlog()
    backlog.push(1, new Uint8Array(64 * 1024).subarray(0, 10))
    const [piece] = backlog.take()
    assert.isAtMost(piece?.bytes.buffer.byteLength ?? 0, Buffer.poolSize)
  })

  it("merges adjacent losses, and stays small when a loss follows each byte", () => {
    const backlog = new Backlog()
    for (let n = 0; n < 1000; n++) backlog.lost(n)
    assert.deepStrictEqual(
      backlog.take().map(({ bytes }) => Buffer.from(bytes).readBigUInt64LE()),
      [499_500n],
    )
    for (let n = 0; n < 100_000; n++) {
      backlog.push(1, Uint8Array.of(n))
      backlog.lost(1)
    }
    assert.isBelow(backlog.take().length, 200)
  })

  it("returns a loss before the bytes that follow it", () => {
    const backlog = new Backlog()
    backlog.push(1, Buffer.from("a"))
    backlog.lost(5)
    backlog.push(1, Buffer.from("b"))
    assert.deepStrictEqual(
      backlog.take().map(({ stream }) => stream),
      [1, 0, 1],
    )
  })
})

describe("the output of a log", () => {
  it("accounts for all bytes written, as read or as lost", () =>
    fc.assert(
      fc.property(
        fc.nat({ max: 50 }),
        fc.array(
          fc.record({
            lost: fc.nat({ max: 1000 }),
            stream: fc.constantFrom(1, 2),
            size: fc.nat({ max: 3000 }),
            takes: fc.boolean(),
          }),
          { maxLength: 300 },
        ),
        (wanted, steps) => {
          const output = new ChannelOutput({ kind: "log", position: wanted, window: 2 ** 24 })
          const number = (value: number) => {
            const bytes = Buffer.alloc(8)
            bytes.writeBigUInt64LE(BigInt(value))
            return bytes
          }
          let [position, read, lost] = [wanted, 0, 0]
          const take = () => {
            for (const { stream, bytes } of output.take()) {
              if (stream === 0) lost += Number(Buffer.from(bytes).readBigUInt64LE())
              else read += bytes.length
            }
          }
          for (const step of steps) {
            position += step.lost
            const told = number(position)
            // It may come in two frames.
            output.onData(0, told.subarray(0, 3))
            output.onData(0, told.subarray(3))
            output.onData(step.stream, new Uint8Array(step.size))
            position += step.size
            if (step.takes) take()
          }
          take()
          assert.strictEqual(read + lost, position - wanted)
          assert.strictEqual(
            lost,
            steps.reduce((sum, step) => sum + step.lost, 0),
          )
          if (steps.length === 0) return
          const back = () => output.onData(0, number(position - 1))
          assert.throws(back, /a log position that is lower than the one before/)
        },
      ),
    ))

  it("begins without a loss when less was written than was skipped", () => {
    const output = new ChannelOutput({ kind: "log", position: Number.MAX_SAFE_INTEGER })
    output.onData(0, new Uint8Array(8))
    output.onData(1, Buffer.from("x"))
    assert.deepStrictEqual(
      output.take().map(({ stream }) => stream),
      [1],
    )
  })
})
