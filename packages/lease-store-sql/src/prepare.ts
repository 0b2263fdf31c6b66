import { LeaseStoreFailed } from "@cordon/core"
import { Duration, Effect } from "effect"
import { Migrator, SqlError } from "effect/sql"
import type { Dialect } from "./Dialect.ts"
import { type BrokenOff, failed, failWhenBroken, isTransient, patience } from "./failures.ts"

const operation = "prepare its tables"

// A limit in time: if a database takes connections and answers nothing, each try takes long.
const longest = Duration.seconds(15)

const migrate = Migrator.make({})

/** Makes the tables, or brings them up to date. Waits for a database that starts. */
export const prepareTables = ({ migrations }: Dialect) =>
  failWhenBroken(migrate({ loader: migrations, table: "cordon_migrations" })).pipe(
    Effect.retry({ schedule: patience, while: isNotYetThere }),
    Effect.mapError(failed(operation)),
    Effect.timeoutOrElse({
      duration: longest,
      orElse: () => {
        const reason = `it did not answer within ${Duration.format(longest)}`
        return Effect.fail(new LeaseStoreFailed({ operation, reason }))
      },
    }),
  )

/** Whether the database is not there yet, or went away while its tables were made. */
const isNotYetThere = (error: Migrator.MigrationError | SqlError.SqlError | BrokenOff): boolean => {
  if (error._tag === "BrokenOff") return true
  const cause = error._tag === "MigrationError" ? error.cause : error
  return cause instanceof SqlError.SqlError && isTransient(cause)
}
