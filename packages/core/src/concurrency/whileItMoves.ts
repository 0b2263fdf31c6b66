import { Duration, Effect, Fiber } from "effect"

const patience = Duration.seconds(10)

/**
 * Waits for work, however long, but not once nothing of it gets done for some seconds: an engine that
 * hangs must not hold up who closes. What was begun then goes on by itself.
 *
 * @param work is given what to run whenever a part of it is done
 */
export const whileItMoves = (
  work: (moved: Effect.Effect<void>) => Effect.Effect<void>,
): Effect.Effect<void> =>
  Effect.gen(function* () {
    let moves = 0
    const moved = Effect.sync(() => {
      moves += 1
    })
    const fiber = yield* Effect.forkDetach(work(moved))
    const stuck = Effect.gen(function* () {
      for (let seen = -1; seen !== moves; ) {
        seen = moves
        yield* Effect.sleep(patience)
      }
    })
    yield* Effect.raceFirst(Fiber.join(fiber), stuck)
  })
