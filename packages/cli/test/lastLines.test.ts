import type { ProcessEvent } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { lastLines } from "../src/lastLines.ts"

const out = (text: string): ProcessEvent => ({ _tag: "Stdout", bytes: Buffer.from(text) })
const err = (text: string): ProcessEvent => ({ _tag: "Stderr", bytes: Buffer.from(text) })
const exit: ProcessEvent = { _tag: "Exit", exitCode: 0 }

const shown = (
  events: ReadonlyArray<ProcessEvent>,
  options: { readonly written: number; readonly lines?: number; readonly follow?: boolean },
) =>
  lastLines(
    // Without an end: what waits for more than was written would not end either.
    options.follow
      ? Stream.fromIterable(events)
      : Stream.concat(Stream.fromIterable(events), Stream.never),
    { written: options.written, lines: options.lines, follow: options.follow ?? false },
  ).pipe(
    Stream.map(({ _tag, bytes }) => `${_tag === "Stderr" ? "!" : ""}${Buffer.from(bytes)}`),
    Stream.runCollect,
  )

describe("cordon logs", () => {
  it.effect("ends with the output written before the call", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* shown([out("a\n"), out("b\n")], { written: 2 }), ["a\n"])
      assert.deepStrictEqual(yield* shown([], { written: 0 }), [])
      assert.deepStrictEqual(yield* shown([out("a")], { written: 1, lines: 0 }), [])
    }),
  )

  it.effect("shows the last lines of both outputs, also across pieces", () =>
    Effect.gen(function* () {
      const events = [out("1\n2"), err("\n3\n"), out("4\n")]
      const written = 8
      assert.deepStrictEqual(yield* shown(events, { written, lines: 1 }), ["4\n"])
      assert.deepStrictEqual(yield* shown(events, { written, lines: 2 }), ["!3\n", "4\n"])
      assert.deepStrictEqual(yield* shown(events, { written, lines: 9 }), ["1\n2", "!\n3\n", "4\n"])
      assert.deepStrictEqual(yield* shown([out("a\nb")], { written: 3, lines: 1 }), ["b"])
    }),
  )

  it.effect("counts lost output, and continues to the end with --follow", () =>
    Effect.gen(function* () {
      const lost: ProcessEvent = { _tag: "Lost", bytes: 5 }
      assert.deepStrictEqual(yield* shown([lost, out("x\n")], { written: 7 }), ["x\n"])
      const events = [out("1\n2\n"), out("3\n"), out("4\n"), exit]
      const followed = yield* shown(events, { written: 4, lines: 1, follow: true })
      assert.deepStrictEqual(followed, ["2\n", "3\n", "4\n"])
    }),
  )
})
