import type { Effect } from "effect"
import type { Migrator, SqlError } from "effect/sql"

/** The differences between databases. Strings are SQL. */
export interface Dialect {
  /** Milliseconds since the epoch by the database's clock. */
  readonly now: string
  /** The function that returns the smaller of two numbers. */
  readonly smaller: string
  /** The function that returns the bigger of two numbers. */
  readonly bigger: string
  /** The token of a new lease: higher than any that its ID ever had. */
  readonly firstToken: string
  /** The token of a changed lease. */
  readonly nextToken: string
  /** The end of the query for leases to claim: it skips the leases that another program is claiming. */
  readonly skipLocked: string
  /** Runs an insertion with quotas: no other one happens between its reading of the usage and its writing. */
  readonly exclusively: <A, E, R>(
    effect: Effect.Effect<A, E, R>,
  ) => Effect.Effect<A, E | SqlError.SqlError, R>
  /** The statements that make the tables, and bring those of older versions up to date. */
  readonly migrations: Migrator.Loader
}
