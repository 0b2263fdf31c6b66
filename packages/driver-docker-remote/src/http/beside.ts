import { type Duration, Effect } from "effect"

/**
 * Makes a second try while the first goes on, where that takes long. Answers with what comes first; a try
 * that fails leaves the word to the other one, if that is under way.
 */
export const beside = <A, E, R>(
  first: Effect.Effect<A, E, R>,
  after: Duration.Input,
  second: Effect.Effect<A, E, R>,
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let underWay = 1
    const last = (attempt: Effect.Effect<A, E, R>) =>
      Effect.catch(attempt, (error) => (--underWay === 0 ? Effect.fail(error) : Effect.never))
    const begun = Effect.suspend(() => {
      underWay++
      return last(second)
    })
    return Effect.raceFirst(last(first), Effect.andThen(Effect.sleep(after), begun))
  })
