import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { messages } from "../src/engine/jsonLines.ts"

const read = (...pieces: ReadonlyArray<string | Uint8Array>) =>
  Stream.fromIterable(pieces.map((piece) => Buffer.from(piece))).pipe(
    Stream.rechunk(1),
    (source) => messages(source, "pull an image", Schema.Struct({ id: Schema.Int })),
    Stream.runCollect,
  )

describe("lines of JSON from an engine", () => {
  it.effect("are parsed however they are split, ended and spaced", () =>
    Effect.gen(function* () {
      const expected = [{ id: 1 }, { id: 2 }]
      assert.deepStrictEqual(yield* read('{"id":', "1}\r", '\n\r\n\n{"id":2}'), expected)
      assert.deepStrictEqual(yield* read('{"id":1}\n{"id":2}\n'), expected)
      assert.deepStrictEqual(yield* read(), [])
    }),
  )

  it.effect("fail with NotUnderstood when one is not JSON or has no end", () =>
    Effect.gen(function* () {
      const tooLong = new Uint8Array(1024 * 1024).fill(32)
      for (const pieces of [
        ["{\n"],
        ['{"id":1}\nno'],
        [tooLong, tooLong, tooLong, tooLong, tooLong],
      ]) {
        const error = yield* Effect.flip(read(...pieces))
        assert.strictEqual(error._tag, "EngineError")
        assert.include(error.message, "its answer is not JSON lines")
      }
    }),
  )
})
