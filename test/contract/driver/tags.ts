import { SandboxDriver, type SessionKey } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { type DriverStage, session } from "./stage.ts"

/** Labels of the caller, which a sandbox keeps and is found by. */
export const tagsContract = ({ check, make }: DriverStage) =>
  describe("tags", () => {
    check(
      "tags are told as given, and list finds the sandboxes that have all that are asked for",
      () =>
        Effect.gen(function* () {
          const driver = yield* SandboxDriver
          const odd = { "a.b/c_d-1": 'x=y, "z" \\ é日 $HOME', empty: "", constructor: "c" }
          const one = yield* make({ tags: { user: "ada", stage: "test" } })
          const two = yield* make({ tags: { user: "ada" } })
          const three = yield* make({ tags: odd })
          const none = yield* make()
          const all = [one, two, three, none]
          assert.deepStrictEqual((yield* driver.inspect(one)).tags, { user: "ada", stage: "test" })
          assert.deepStrictEqual((yield* driver.inspect(three)).tags, odd)
          assert.isUndefined((yield* driver.inspect(none)).tags)
          const found = (tags?: Readonly<Record<string, string>>, of?: SessionKey) =>
            Effect.map(driver.list(of, tags), (infos) =>
              infos
                .map(({ id }) => all.indexOf(id))
                .filter((index) => index >= 0)
                // What was made ahead is older than what was made for this.
                .sort(),
            )
          assert.deepStrictEqual(yield* found({}, session), [0, 1, 2, 3])
          assert.deepStrictEqual(yield* found({ user: "ada" }, session), [0, 1])
          assert.deepStrictEqual(yield* found({ stage: "test", user: "ada" }), [0])
          assert.deepStrictEqual(yield* found({ user: "ada", stage: "live" }), [])
          assert.deepStrictEqual(yield* found({ user: "ad" }), [])
          assert.deepStrictEqual(yield* found(odd), [2])
          assert.deepStrictEqual(yield* found({ empty: "" }), [2])
          const told = (yield* driver.list(session)).find(({ id }) => id === three)
          assert.deepStrictEqual(told?.tags, odd)
        }),
    )
  })
