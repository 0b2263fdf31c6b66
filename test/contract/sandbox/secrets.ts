import { Sandboxes } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { freshSession, out } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

/** Secrets: environment that is kept out of what is told of a sandbox. */
export const secretsContract = ({ check }: FeatureStage) =>
  describe("secrets", () => {
    check("secrets reach each command, and stay out of what is told of the sandbox", () =>
      Effect.gen(function* () {
        const session = yield* freshSession
        const secrets = { TOKEN: Redacted.make("s3cret"), OTHER: "value two" }
        const sandbox = yield* Sandboxes.scoped(session, { name: "box", secrets })
        const show = 'printf "%s|%s" "$TOKEN" "$OTHER"'
        assert.strictEqual(yield* out(sandbox, show), "s3cret|value two")
        const { stdout } = yield* sandbox.exec(show, { env: { OTHER: "own" } })
        assert.strictEqual(stdout, "s3cret|own")
        assert.strictEqual(yield* out(yield* session.get("box"), show), "s3cret|value two")
        assert.notInclude(JSON.stringify(yield* sandbox.inspect), "s3cret")
        const fresh = yield* session.get("box", { secrets: { TOKEN: "next" } })
        assert.strictEqual(yield* out(fresh, show), "next|")
        const wrong: ReadonlyArray<Readonly<Record<string, string>>> = [
          { "NOT-A-NAME": "s3cret" },
          { NUL: "s3cret\0" },
        ]
        for (const secrets of wrong) {
          const error = yield* Effect.flip(session.create({ secrets }))
          assert.strictEqual(error._tag, "InvalidInput")
          assert.notInclude(JSON.stringify(error) + error.message, "s3cret")
        }
        yield* sandbox.remove
        const anew = yield* Sandboxes.scoped(session, { name: "box" })
        assert.strictEqual(yield* out(anew, show), "|")
      }),
    )
  })
