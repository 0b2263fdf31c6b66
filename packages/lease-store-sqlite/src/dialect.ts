import type { Dialect } from "@cordon/lease-store-sql"
import type { SqlClient } from "effect/sql"
import { migrations } from "./migrations.ts"

export const dialect = (sql: SqlClient.SqlClient): Dialect => ({
  now: "cordon_now()",
  smaller: "min",
  bigger: "max",
  firstToken: "(SELECT token + 1 FROM cordon_fence)",
  nextToken: "token + 1",
  // SQLite lets one connection write at a time, so there is nothing to skip.
  skipLocked: "",
  exclusively: sql.withTransaction,
  migrations,
})
