import { Clock, Duration, Effect, Schedule, Schema } from "effect"

/** Something that the doctor waited for took too long. */
export class TookTooLong extends Schema.TaggedError<TookTooLong>()("TookTooLong", {
  what: Schema.String,
  seconds: Schema.Number,
}) {
  override get message() {
    return `${this.what} took longer than ${this.seconds} s`
  }
}

// After this long, a waiting user is told what is going on, before it seems to hang.
const first = Duration.seconds(2)
const further = Duration.seconds(10)

/** If something takes long, names it on standard error, and gives up after a while. */
export const within =
  (what: string, seconds: number) =>
  <A, E, R>(step: Effect.Effect<A, E, R>): Effect.Effect<A, E | TookTooLong, R> =>
    Effect.gen(function* () {
      const begun = yield* Clock.currentTimeMillis
      const tell = Effect.map(Clock.currentTimeMillis, (now) => {
        const passed = Math.round((now - begun) / 1000)
        process.stderr.write(`cordon: ${what} ... (${passed} s)\n`)
      })
      const telling = Effect.delay(Effect.repeat(tell, Schedule.spaced(further)), first)
      yield* Effect.forkScoped(telling)
      return yield* Effect.timeoutOrElse(step, {
        duration: Duration.seconds(seconds),
        orElse: () => Effect.fail(new TookTooLong({ what, seconds })),
      })
    }).pipe(Effect.scoped)
