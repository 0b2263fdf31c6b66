import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { LeaseLost, type PortConnection } from "../src/index.ts"
import { duplexOf } from "../src/sandbox/ports/duplex.ts"
import { heldConnection } from "../src/sandbox/ports/heldConnection.ts"

const lost = new LeaseLost({ sandbox: "cordon-0123456789abcdef-box" })

const silent: PortConnection<never> = {
  output: Stream.never,
  write: () => Effect.void,
  end: Effect.void,
  closed: Effect.never,
}

describe("a connection that holds a lease", () => {
  it.effect("fails its reader and closes when the lease is taken", () =>
    Effect.gen(function* () {
      const loss = yield* Deferred.make<never, LeaseLost>()
      const closed = yield* Deferred.make<void>()
      const { output } = yield* heldConnection<never, LeaseLost>(
        (effect) => Effect.raceFirst(effect, Deferred.await(loss)),
        Effect.acquireRelease(Effect.succeed(silent), () => Deferred.succeed(closed, undefined)),
      )
      const reading = yield* Effect.forkChild(Effect.flip(Stream.runDrain(output)))
      yield* Deferred.fail(loss, lost)
      assert.strictEqual(yield* Fiber.join(reading), lost)
      yield* Deferred.await(closed)
    }).pipe(Effect.scoped),
  )

  it.effect("fails at once when the lease is not available", () =>
    Effect.gen(function* () {
      const refused = heldConnection<never, LeaseLost>(
        () => Effect.fail(lost),
        Effect.succeed(silent),
      )
      assert.strictEqual(yield* Effect.flip(Effect.scoped(refused)), lost)
    }),
  )
})

describe("a connection as a Node stream", () => {
  it.effect(
    "that both sides have ended stays open until the program inside has read the last bytes",
    () =>
      Effect.gen(function* () {
        const taken = yield* Deferred.make<void>()
        const { stream, closed } = duplexOf({
          ...silent,
          output: Stream.empty,
          closed: Deferred.await(taken),
        })
        const living = yield* Effect.forkChild(closed)
        yield* Effect.callback<void>((resume) => {
          stream.once("close", () => resume(Effect.void))
          stream.resume()
          stream.end("the last of it")
        })
        assert.isUndefined(living.pollUnsafe())
        yield* Deferred.succeed(taken, undefined)
        yield* Fiber.join(living)
      }),
  )
})
