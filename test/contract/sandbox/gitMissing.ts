import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { makeSandbox } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

/** Cloning in an image without git. */
export const gitMissingContract = ({ check, lacks }: FeatureStage) =>
  describe("git", () => {
    check(
      "clone fails with GitMissing where the image has no git",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const error = yield* Effect.flip(sandbox.git.clone("https://example.com/project.git"))
          assert.strictEqual(error._tag, "GitMissing")
          assert.deepStrictEqual(yield* sandbox.files.list(), [])
        }),
      lacks.git,
    )
  })
