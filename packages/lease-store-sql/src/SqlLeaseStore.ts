import { LeaseStore, type LeaseStoreFailed } from "@cordon/core"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { Dialect } from "./Dialect.ts"
import { retryRepeatable } from "./failures.ts"
import { beatHost, readStoreId, takeTurn } from "./hostStatements.ts"
import { makeInsert } from "./insertion.ts"
import {
  changeLease,
  claimDueLeases,
  deleteLease,
  getLease,
  listLeases,
  renewLease,
} from "./leaseStatements.ts"
import { prepareTables } from "./prepare.ts"
import { allLeases, anyRow, firstRow, oneLease } from "./rows.ts"
import { makeTerms } from "./terms.ts"

const make = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, dialect: Dialect) {
  yield* prepareTables(dialect)
  const terms = makeTerms(sql, dialect)
  const { id } = yield* retryRepeatable(
    "read its ID",
    firstRow(Schema.Struct({ id: Schema.String }), readStoreId(terms)),
  )

  return LeaseStore.of({
    shared: true,
    id,
    beat: (host, beat) => retryRepeatable("let time pass", anyRow(beatHost(terms, host, beat))),
    get: (key) => retryRepeatable("read a lease", oneLease(getLease(terms, key))),
    list: (host) => retryRepeatable("list the leases", allLeases(listLeases(terms, host))),
    insert: makeInsert(terms, dialect),
    renew: (key, token, lasting = 0) =>
      retryRepeatable("renew a lease", anyRow(renewLease(terms, key, token, lasting))),
    change: (key, token, change) =>
      retryRepeatable("change a lease", oneLease(changeLease(terms, key, token, change))),
    claimDue: (host, options) =>
      retryRepeatable("claim leases", allLeases(claimDueLeases(terms, host, options))),
    delete: (key, token) => retryRepeatable("end a lease", anyRow(deleteLease(terms, key, token))),
    takeTurn: (host, lasting) =>
      retryRepeatable("take a turn", anyRow(takeTurn(terms, host, lasting))),
  })
})

/** A lease store over a SQL client, whose tables are made or brought up to date first. */
export const layerSqlStore = (
  dialect: (sql: SqlClient.SqlClient) => Dialect,
): Layer.Layer<LeaseStore, LeaseStoreFailed, SqlClient.SqlClient> =>
  Layer.effect(
    LeaseStore,
    Effect.flatMap(SqlClient.SqlClient, (sql) => make(sql, dialect(sql))),
  )
