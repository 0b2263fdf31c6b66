import { LeaseStoreFailed } from "@cordon/core"
import { Data, Effect, Predicate, Schedule, type Schema } from "effect"
import { Migrator, SqlError } from "effect/sql"

/** What a statement fails with, whose rows are decoded. */
export type Failure = SqlError.SqlError | Schema.SchemaError

/** A transaction whose connection broke, so that its rollback failed as well. It was not committed. */
export class BrokenOff extends Data.TaggedError("BrokenOff")<{
  readonly cause: SqlError.SqlError
}> {}

/** The driver's words, but never a row or a parameter. */
const reasonOf = (error: unknown): string => {
  if (error instanceof SqlError.SqlError) {
    const { message, cause } = error.reason
    return message || (cause instanceof Error && cause.message) || error.reason._tag
  }
  if (error instanceof BrokenOff) return reasonOf(error.cause)
  if (error instanceof Migrator.MigrationError) {
    return `${error.message}: ${reasonOf(error.cause)}`
  }
  return Predicate.isTagged(error, "SchemaError")
    ? "it holds what no version of Cordon writes there"
    : "it failed in a way that is not known"
}

/** Makes the error of a lease store, which names the operation. */
export const failed = (operation: string) => (error: unknown) =>
  new LeaseStoreFailed({ operation, reason: reasonOf(error) })

/** Fails with `BrokenOff` where a broken connection made a transaction die. */
export const failWhenBroken = <A, E, R>(
  transaction: Effect.Effect<A, E, R>,
): Effect.Effect<A, E | BrokenOff, R> =>
  Effect.catchDefect(transaction, (defect) =>
    defect instanceof SqlError.SqlError
      ? Effect.fail(new BrokenOff({ cause: defect }))
      : Effect.die(defect),
  )

// PostgreSQL's codes for a server that shuts down or starts.
const isRestarting = (cause: unknown) =>
  Predicate.hasProperty(cause, "code") && String(cause.code).startsWith("57P")

/** Whether the database is too busy, restarts, or is not reached just now. */
export const isTransient = (error: Failure) =>
  error._tag === "SqlError" && (error.reason.isRetryable || isRestarting(error.reason.cause))

/** Whether the database was too busy, and for certain did nothing. */
const isBusy = (error: Failure) =>
  error._tag === "SqlError" && error.reason.isRetryable && error.reason._tag !== "ConnectionError"

/** How long a database that is busy or restarts is waited for: about 6 seconds. */
export const patience = Schedule.max([
  Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("500 millis")]),
  Schedule.recurs(16),
])

/** Retries a statement that may run twice, since its second run changes nothing. */
export const retryRepeatable = <A>(operation: string, effect: Effect.Effect<A, Failure>) =>
  effect.pipe(
    Effect.retry({ schedule: patience, while: isTransient }),
    Effect.mapError(failed(operation)),
  )

/**
 * Retries a statement or a transaction that must not run twice. It is not run again when the connection broke at a
 * statement: the database may have done it, and a second run would find what the first one did.
 */
export const retryUnlessDone = <A>(
  operation: string,
  transaction: Effect.Effect<A, Failure>,
): Effect.Effect<A, LeaseStoreFailed> =>
  failWhenBroken(transaction).pipe(
    Effect.retry({
      schedule: patience,
      while: (error) => error._tag === "BrokenOff" || isBusy(error),
    }),
    Effect.mapError(failed(operation)),
  )
