import type { SandboxFilter, SandboxInfo, SandboxPage, SandboxSession } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { sessionWith } from "../support/capableDriver.ts"

const names = ({ sandboxes }: SandboxPage) => sandboxes.map(({ name }) => String(name))

/** All pages of what is looked for, each one's names. */
const pages = Effect.fnUntraced(function* (session: SandboxSession, filter: SandboxFilter) {
  const found: Array<ReadonlyArray<string>> = []
  let after: string | undefined
  do {
    const page = yield* session.find({ ...filter, after })
    found.push(names(page))
    after = page.next
  } while (after !== undefined)
  return found
})

describe("Finding sandboxes", () => {
  it.live("filters by tags and states together, within the session", () =>
    Effect.gen(function* () {
      const session = yield* sessionWith(() => ({}))
      yield* session.create({ name: "one", tags: { user: "ada", stage: "test" } })
      const two = yield* session.create({ name: "two", tags: { user: "ada" } })
      yield* session.create({ name: "three", tags: {} })
      yield* two.stop
      const found = (filter?: SandboxFilter) => Effect.map(session.find(filter), names)
      assert.deepStrictEqual(yield* found(), ["one", "two", "three"])
      assert.deepStrictEqual(yield* found({ tags: { user: "ada" } }), ["one", "two"])
      assert.deepStrictEqual(yield* found({ tags: { user: "ada" }, status: "stopped" }), ["two"])
      assert.deepStrictEqual(yield* found({ status: ["running", "paused"] }), ["one", "three"])
      assert.deepStrictEqual(yield* found({ status: [] }), [])
      const { sandboxes } = yield* session.find({ tags: { stage: "test" } })
      assert.deepStrictEqual(sandboxes[0]?.tags, { user: "ada", stage: "test" })
      assert.isUndefined((yield* session.get("three")).info.tags)
    }).pipe(Effect.scoped),
  )

  it.live(
    "pages through each sandbox once, even with equal creation times and removals meanwhile",
    () =>
      Effect.gen(function* () {
        // Engines tell the second in which a sandbox was made.
        const createdAt = new Date(Math.floor(Date.now() / 1000) * 1000)
        const session = yield* sessionWith((driver) => ({
          list: (...of) =>
            Effect.map(driver.list(...of), (all) =>
              all.map((info): SandboxInfo => ({ ...info, createdAt })).reverse(),
            ),
        }))
        const made = ["a", "b", "b-2", "c", "d"]
        for (const name of made) yield* session.create({ name })
        assert.deepStrictEqual(yield* pages(session, { limit: 2 }), [
          ["a", "b"],
          ["b-2", "c"],
          ["d"],
        ])
        assert.deepStrictEqual(yield* pages(session, { limit: 5 }), [made])
        const first = yield* session.find({ limit: 3 })
        yield* (yield* session.get("b-2")).remove
        const rest = yield* session.find({ limit: 3, after: first.next })
        assert.deepStrictEqual(names(rest), ["c", "d"])
      }).pipe(Effect.scoped),
  )

  it.live("refuses an invalid tag or page before the driver is called", () =>
    Effect.gen(function* () {
      const session = yield* sessionWith(() => ({ list: () => Effect.die("asked") }))
      const many = Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`t${n}`, ""]))
      const tags = [{ "": "x" }, { "-a": "x" }, { "a=b": "x" }, { a: "x\ny" }, { a: "\ud800" }]
      for (const wrong of [...tags, { a: "x".repeat(257) }, { ["a".repeat(64)]: "" }, many]) {
        const filter = yield* Effect.flip(session.find({ tags: wrong }))
        assert.strictEqual(filter._tag, "InvalidInput")
        const create = yield* Effect.flip(session.create({ tags: wrong }))
        assert.strictEqual(create._tag, "InvalidInput")
      }
      for (const filter of [{ limit: 0 }, { limit: 1001 }, { limit: 1.5 }, { after: "x" }]) {
        assert.strictEqual((yield* Effect.flip(session.find(filter)))._tag, "InvalidInput")
      }
    }).pipe(Effect.scoped),
  )
})
