import { EngineUnreachable, Incarnation, SandboxId, SandboxNotFound } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { makeLocator } from "../../src/container/locator.ts"
import type { Target } from "../../src/container/Target.ts"

const id = SandboxId.make("cordon-0123456789abcdef-box")
const gone = new SandboxNotFound({ sandbox: id })
const cut = new EngineUnreachable({ endpoint: "here", reason: "it went away" })

/** Each look finds a newer container: `1`, `2` and so on. */
const makeStage = () => {
  let looks = 0
  return makeLocator<Target, undefined, SandboxNotFound>({
    endpoint: "here",
    find: () => Effect.sync(() => ({ id, instanceId: String(++looks) })),
    incarnationOf: ({ instanceId }) => instanceId,
    at: () => Effect.succeed(undefined),
  })
}
type Stage = ReturnType<typeof makeStage>

/** The container that a call is done in. */
const usedBy = (locator: Stage) => locator.on(id, (_, { instanceId }) => Effect.succeed(instanceId))

describe("a located sandbox", () => {
  it.effect("is looked for once", () =>
    Effect.gen(function* () {
      const locator = makeStage()
      assert.deepStrictEqual([yield* usedBy(locator), yield* usedBy(locator)], ["1", "1"])
    }),
  )

  it.effect("is looked for again by the call that finds its container gone", () =>
    Effect.gen(function* () {
      const locator = makeStage()
      yield* usedBy(locator)
      const used = yield* locator.on(id, (_, { instanceId }) =>
        instanceId === "1" ? Effect.fail(gone) : Effect.succeed(instanceId),
      )
      assert.strictEqual(used, "2")
    }),
  )

  it.effect("is not looked for twice by one call", () =>
    Effect.gen(function* () {
      const locator = makeStage()
      let calls = 0
      const call = locator.on(id, () => Effect.suspend(() => Effect.fail(++calls && gone)))
      assert.deepStrictEqual(yield* Effect.flip(call), gone)
      assert.strictEqual(calls, 1)
    }),
  )

  it.effect("is looked for again after a failure of its engine, by the next call only", () =>
    Effect.gen(function* () {
      const locator = makeStage()
      yield* Effect.flip(locator.on(id, () => Effect.fail(cut)))
      assert.strictEqual(yield* usedBy(locator), "2")
    }),
  )

  it.effect("is not looked for again after a failure that says nothing of its container", () =>
    Effect.gen(function* () {
      const locator = makeStage()
      yield* Effect.flip(locator.on(id, () => Effect.fail("no such file")))
      assert.strictEqual(yield* usedBy(locator), "1")
    }),
  )

  it.effect("is looked for again after a stream that failed, which is not begun again", () =>
    Effect.gen(function* () {
      const locator = makeStage()
      yield* usedBy(locator)
      let begun = 0
      const stream = locator.streamOn(id, () =>
        Stream.suspend(() => {
          begun++
          return Stream.fail(gone)
        }),
      )
      assert.deepStrictEqual(yield* Effect.flip(Stream.runDrain(stream)), gone)
      assert.strictEqual(begun, 1)
      assert.strictEqual(yield* usedBy(locator), "2")
    }),
  )

  it.effect("does not repeat a write, since its source may have been read already", () =>
    Effect.gen(function* () {
      const locator = makeStage()
      yield* usedBy(locator)
      let read = 0
      const write = locator.once(id, () => Effect.suspend(() => Effect.fail(++read && gone)))
      assert.deepStrictEqual(yield* Effect.flip(write), gone)
      assert.strictEqual(read, 1)
    }),
  )

  it.effect(
    "is looked for again by a command whose caller holds a lease on a newer incarnation",
    () =>
      Effect.gen(function* () {
        const locator = makeStage()
        yield* usedBy(locator)
        const used = yield* locator
          .commandOn(id, {}, (_, { instanceId }) => Stream.succeed(instanceId))
          .pipe(Stream.provideService(Incarnation, { id, instanceId: "2" }), Stream.runCollect)
        assert.deepStrictEqual(used, ["2"])
      }),
  )

  it.effect("is not used for a caller that holds a lease on another incarnation", () =>
    Effect.gen(function* () {
      const locator = makeStage()
      yield* usedBy(locator)
      const leased = usedBy(locator).pipe(
        Effect.provideService(Incarnation, { id, instanceId: "other" }),
      )
      assert.deepStrictEqual(yield* Effect.flip(leased), gone)
    }),
  )
})
