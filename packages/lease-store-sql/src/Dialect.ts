import type { Effect } from "effect"
import type { Migrator, SqlError } from "effect/sql"

/** Where the databases differ. The fragments are SQL expressions. */
export interface Dialect {
  /** Milliseconds since the epoch by the database's clock. */
  readonly now: string
  /** The functions that choose the smaller and the bigger of two numbers. */
  readonly smaller: string
  readonly bigger: string
  /** The token of a new lease: higher than any that its ID ever had. */
  readonly firstToken: string
  /** The token of a changed lease. */
  readonly nextToken: string
  /** Ends the query that chooses what to claim, so that none waits for what another one chooses. */
  readonly skipLocked: string
  /** Runs what must see no other insertion between its look and its own. */
  readonly exclusively: <A, E, R>(
    effect: Effect.Effect<A, E, R>,
  ) => Effect.Effect<A, E | SqlError.SqlError, R>
  readonly migrations: Migrator.Loader
}
