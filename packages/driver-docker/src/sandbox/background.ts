import { whileItMoves } from "@cordon/core"
import { Effect, FiberSet } from "effect"

/**
 * Starts work that continues after the call that began it. The end of the scope waits for the work,
 * unless the engine hangs.
 */
export const makeBackground = Effect.gen(function* () {
  const fibers = yield* FiberSet.make<void, never>()
  yield* Effect.addFinalizer(() => whileItMoves(() => FiberSet.awaitEmpty(fibers)))
  return (work: Effect.Effect<void>): Effect.Effect<void> =>
    Effect.asVoid(FiberSet.run(fibers, work))
})
export type Background = Effect.Success<typeof makeBackground>
