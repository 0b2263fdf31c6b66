import { Effect } from "effect"

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * Makes something that somebody gets, or that is undone. An interruption that arrives when it has
 * just been made comes too late for what undoes a failure, and the result would be lost.
 */
export const handOver = <A, E, R, R2>(
  make: (restore: Restore) => Effect.Effect<A, E, R>,
  undo: (made: A) => Effect.Effect<unknown, never, R2>,
): Effect.Effect<A, E, R | R2> =>
  Effect.suspend(() => {
    let made: { readonly it: A } | undefined
    return Effect.uninterruptibleMask((restore) =>
      Effect.tap(make(restore), (it) =>
        Effect.sync(() => {
          made = { it }
        }),
      ),
    ).pipe(Effect.onInterrupt(() => (made === undefined ? Effect.void : undo(made.it))))
  })
