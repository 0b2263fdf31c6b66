import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { collectOutput, ExecEvent } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as fc from "fast-check"

const exit = ExecEvent.Exit({ exitCode: 3, timedOut: false, oomKilled: false, restarted: false })

const collect = (chunks: ReadonlyArray<Uint8Array>, limit: number) =>
  collectOutput(
    Stream.fromIterable([...chunks.map((bytes) => ExecEvent.Stdout({ bytes })), exit]),
    limit,
  )

/** Cuts bytes into pieces of the given sizes, over and over. */
const cut = (bytes: Uint8Array, sizes: ReadonlyArray<number>) => {
  const pieces: Array<Uint8Array> = []
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] ?? 1
    pieces.push(bytes.subarray(at, at + size))
    at += size
  }
  return pieces
}

describe("collectOutput", () => {
  it("keeps everything up to the limit, and head and tail beyond it", () =>
    fc.assert(
      fc.asyncProperty(
        fc.string({ unit: "grapheme", maxLength: 400 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 8, max: 200 }),
        async (text, sizes, limit) => {
          const bytes = new TextEncoder().encode(text)
          const result = await Effect.runPromise(collect(cut(bytes, sizes), limit))
          assert.strictEqual(result.stdoutBytes, bytes.length)
          assert.strictEqual(result.exitCode, 3)
          assert.strictEqual(result.truncated, bytes.length > limit)
          if (!result.truncated) return assert.strictEqual(result.stdout, text)
          const match = /^(.*)\n\[\.\.\. (\d+) bytes cut \.\.\.\]\n(.*)$/su.exec(result.stdout)
          const [, head = "", count, tail = ""] = match ?? []
          const kept = Buffer.byteLength(head) + Buffer.byteLength(tail)
          assert.strictEqual(Number(count), bytes.length - kept)
          assert.isTrue(text.startsWith(head) && text.endsWith(tail))
          // At most the pieces of one character are lost on each side of the cut.
          assert.isAtLeast(kept, limit - 6)
          assert.isAtMost(kept, limit)
        },
      ),
      { numRuns: 500 },
    ))

  it.effect("keeps memory to a small multiple of the limit for any amount of output", () =>
    Effect.gen(function* () {
      setFlagsFromString("--expose-gc")
      const collectGarbage: () => void = runInNewContext("gc")
      const piece = Buffer.alloc(64 * 1024, 120)
      const before = process.memoryUsage().arrayBuffers
      let most = 0
      const flood = Stream.range(1, 4000).pipe(
        Stream.rechunk(1),
        Stream.map((n) => {
          if (n % 500 === 0) {
            collectGarbage()
            most = Math.max(most, process.memoryUsage().arrayBuffers - before)
          }
          return ExecEvent.Stderr({ bytes: Uint8Array.from(piece) })
        }),
      )
      const result = yield* collectOutput(Stream.concat(flood, Stream.succeed(exit)), 100_000)
      assert.strictEqual(result.stderrBytes, 4000 * 64 * 1024)
      assert.isTrue(result.truncated)
      // 262 MB went through; what the collector has not yet given back counts too.
      assert.isBelow(most, 100 * 1024 * 1024)
    }),
  )
})
