import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"
import { LeaseStoreFailed } from "@cordon/core"
import { Clock, Effect, Layer, Predicate, Semaphore, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql"

// Not an import: on a Node without this module an import fails, before Cordon can say which Node it needs.
const sqlite = process.getBuiltinModule("node:sqlite")

// Milliseconds. SQLite blocks the event loop while it waits for another writer, so it waits briefly, and the store
// retries.
const busyTimeout = 50

const open = (filename: string, clock: Clock.Clock) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const database = new sqlite.DatabaseSync(filename, { timeout: busyTimeout })
        // Readers and the writer do not wait for each other. A power failure loses at most the last changes, and
        // it ends the sandboxes as well.
        database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
        database.function("cordon_now", () => clock.currentTimeMillisUnsafe())
        return database
      },
      catch: (cause) =>
        new LeaseStoreFailed({
          operation: `open ${filename}`,
          reason: cause instanceof Error ? cause.message : String(cause),
        }),
    }),
    (database) => Effect.sync(() => database.close()),
  )

const inputs = (params: ReadonlyArray<unknown>): Array<SQLInputValue> =>
  params.map((param) => {
    if (typeof param === "string" || typeof param === "number" || param === null) return param
    throw new TypeError(`SQLite takes no ${typeof param} here`)
  })

/** Node's own SQLite as a connection of Effect's SQL client. */
const connect = (database: DatabaseSync): SqlConnection.Connection => {
  const prepared = new Map<string, StatementSync>()
  const attempt = <A>(run: () => A) =>
    Effect.try({
      try: run,
      catch: (cause) =>
        new SqlError.SqlError({
          reason: SqlError.classifySqliteError(withErrno(cause), { operation: "execute" }),
        }),
    })
  const all = (sql: string, params: ReadonlyArray<unknown>) =>
    attempt(() => {
      const statement = prepared.get(sql) ?? database.prepare(sql)
      prepared.set(sql, statement)
      return statement.all(...inputs(params))
    })
  const values = (sql: string, params: ReadonlyArray<unknown>) =>
    Effect.map(all(sql, params), (rows) => rows.map((row) => Object.values(row)))
  // All statements are prepared, since they are few and always the same. No caller transforms rows.
  return {
    execute: all,
    executeRaw: all,
    executeUnprepared: all,
    executeValues: values,
    executeValuesUnprepared: values,
    executeStream: (sql, params) =>
      Stream.unwrap(Effect.map(all(sql, params), Stream.fromIterable)),
  }
}

/** Copies the error code of `node:sqlite` to `errno`, where Effect expects it. */
const withErrno = (cause: unknown): unknown =>
  Predicate.hasProperty(cause, "errcode") ? Object.assign(cause, { errno: cause.errcode }) : cause

/** One connection to one file, for one statement or transaction at a time. */
export const layerClient = (filename: string): Layer.Layer<SqlClient.SqlClient, LeaseStoreFailed> =>
  Layer.effect(
    SqlClient.SqlClient,
    Effect.gen(function* () {
      const connection = connect(yield* open(filename, yield* Clock.Clock))
      return yield* SqlClient.make({
        ...SqlClient.makeSqliteAcquirers({
          connection: Effect.succeed(connection),
          semaphore: yield* Semaphore.make(1),
        }),
        compiler: Statement.makeCompilerSqlite(),
        driver: "node-sqlite",
        spanAttributes: [["db.system.name", "sqlite"]],
        // Locks for writing at the start. A transaction that reads first may fail when it wants to write.
        beginTransaction: "BEGIN IMMEDIATE",
      })
    }),
  ).pipe(Layer.provide(Reactivity.layer))
