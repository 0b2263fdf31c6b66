import { Sandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { valuesOf } from "./support/metrics.ts"

/** Lets time pass in steps, and what runs in the background act after each. */
const pass = Effect.fnUntraced(function* (minutes: number) {
  for (let step = 0; step < minutes * 4; step++) {
    yield* TestClock.adjust("15 seconds")
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  }
})

it.effect("metrics count sandboxes by state, latencies and removals by the reaper", () =>
  Effect.gen(function* () {
    const session = yield* (yield* Sandboxes).session("s")
    const sandbox = yield* session.create()
    yield* session.create()
    yield* sandbox.run("true")
    yield* pass(1)
    assert.deepInclude(yield* valuesOf("cordon.sandboxes"), { running: 2, stopped: 0 })
    assert.deepStrictEqual(yield* valuesOf("cordon.sandbox.create.duration"), { milliseconds: 2 })
    assert.deepStrictEqual(yield* valuesOf("cordon.sandbox.exec.duration"), { milliseconds: 1 })
    yield* pass(10)
    assert.deepInclude(yield* valuesOf("cordon.sandboxes"), { running: 0, stopped: 2 })
    assert.deepStrictEqual(yield* valuesOf("cordon.reaps"), { stop: 2 })
    yield* pass(11)
    assert.deepStrictEqual(yield* valuesOf("cordon.reaps"), { stop: 2, remove: 2 })
    assert.deepInclude(yield* valuesOf("cordon.sandboxes"), { running: 0, stopped: 0 })
  }).pipe(Effect.provide(Sandboxes.layer({ removeOnClose: false }).pipe(Layer.provide(memory())))),
)
