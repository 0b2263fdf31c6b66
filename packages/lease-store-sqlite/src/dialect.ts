import type { Dialect } from "@cordon/lease-store-sql"
import type { SqlClient } from "effect/sql"
import { migrations } from "./migrations.ts"

export const dialect = (sql: SqlClient.SqlClient): Dialect => ({
  now: "cordon_now()",
  smaller: "min",
  bigger: "max",
  firstToken: "(SELECT token + 1 FROM cordon_fence)",
  nextToken: "token + 1",
  // One connection writes at a time.
  skipLocked: "",
  exclusively: sql.withTransaction,
  migrations,
})
