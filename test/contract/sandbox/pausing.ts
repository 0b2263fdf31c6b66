import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { tagOf } from "../../support/effects.ts"
import { makeSandbox, out } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

/** Pausing and resuming. */
export const pausingContract = ({ check, lacks }: FeatureStage) =>
  describe("pausing", () => {
    check(
      "a paused sandbox is frozen, refuses use, and goes on after resume, start or stop",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          yield* sandbox.resume
          const tick = "while :; do echo tick >>ticks; sleep 0.1; done >/dev/null 2>&1 &"
          yield* out(sandbox, tick)
          yield* sandbox.pause
          yield* sandbox.pause
          assert.strictEqual((yield* sandbox.inspect).status, "paused")
          const refusal = yield* Effect.flip(sandbox.exec("true"))
          assert.strictEqual(refusal._tag, "SandboxNotRunning")
          assert.match(refusal.message, /paused/)
          assert.strictEqual(yield* tagOf(sandbox.files.list()), "SandboxNotRunning")
          yield* Effect.sleep("1 second")
          yield* sandbox.resume
          // The process is the same one, and was away for a second.
          const ticks = () => Effect.map(sandbox.files.readText("ticks"), (text) => text.length)
          const before = yield* ticks()
          yield* Effect.sleep("500 millis")
          assert.isAbove(yield* ticks(), before)
          for (const end of [sandbox.start, sandbox.stop]) {
            yield* sandbox.pause
            yield* end
            yield* sandbox.start
            assert.strictEqual(yield* out(sandbox, "echo on"), "on\n")
          }
          yield* sandbox.stop
          assert.strictEqual(yield* tagOf(sandbox.pause), "SandboxNotRunning")
          yield* sandbox.start
          yield* sandbox.pause
          yield* sandbox.remove
          assert.strictEqual(yield* tagOf(sandbox.inspect), "SandboxNotFound")
        }),
      lacks.pause,
    )
  })
