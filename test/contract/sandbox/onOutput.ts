import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { makeSandbox } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

/** Output as it comes. */
export const onOutputContract = ({ check }: FeatureStage) =>
  describe("onOutput", () => {
    check("onOutput gets the whole output in order, where the result is cut", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const seen: Array<string> = []
        const { stdout } = yield* sandbox.run("echo one; echo two >&2; seq 1 700", {
          outputLimit: 100,
          onOutput: ({ _tag, bytes }) =>
            Effect.sync(() => void seen.push(`${_tag}:${Buffer.from(bytes)}`)),
        })
        const numbers = Array.from({ length: 700 }, (_, n) => `${n + 1}\n`)
        const whole = seen.filter((piece) => piece.startsWith("Stdout:"))
        const text = whole.map((piece) => piece.slice("Stdout:".length)).join("")
        assert.strictEqual(text, `one\n${numbers.join("")}`)
        assert.include(seen, "Stderr:two\n")
        assert.isBelow(stdout.length, 200)
      }),
    )
  })
