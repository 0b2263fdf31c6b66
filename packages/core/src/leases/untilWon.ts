import { Effect, Option } from "effect"

/** Repeats an attempt that ends in a compare-and-set until no other process was faster. */
export const untilWon = <A, E, R>(
  attempt: Effect.Effect<Option.Option<A>, E, R>,
): Effect.Effect<A, E, R> =>
  attempt.pipe(
    Effect.repeat({ until: Option.isSome<A> }),
    Effect.map(({ value }) => value),
  )
