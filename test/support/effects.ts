import { Effect, Schedule } from "effect"
import * as fc from "fast-check"

/** The tag of the error that an effect must fail with. */
export const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)

/** Waits until a condition is met. The test's own timeout bounds it. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(condition, { schedule: Schedule.spaced("50 millis"), until: (met) => met })

/** Tries a property with random values, with the services of the test. */
export const holdsForAll = <A, E, R>(
  values: fc.Arbitrary<A>,
  runs: number,
  property: (value: A) => Effect.Effect<void, E, R>,
): Effect.Effect<void, never, R> =>
  Effect.flatMap(Effect.context<R>(), (context) =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(values, (value) => Effect.runPromiseWith(context)(property(value))),
        { numRuns: runs },
      ),
    ),
  )
