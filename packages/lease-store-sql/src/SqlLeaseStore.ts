import {
  type Excess,
  findExcess,
  type Insertion,
  type Lease,
  type LeaseKey,
  LeaseStore,
  LeaseStoreFailed,
  type NewLease,
  type Quota,
  type Quotas,
} from "@cordon/core"
import { Effect, Layer, type Option, Schedule, Schema } from "effect"
import { Migrator, SqlClient, type SqlError, SqlSchema } from "effect/sql"
import { Row, Usage } from "./rows.ts"

/** Where the databases differ. The fragments are SQL expressions. */
export interface Dialect {
  /** Milliseconds since the epoch by the database's clock. */
  readonly now: string
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

type Failure = SqlError.SqlError | Schema.SchemaError

const failed = (operation: string) => (error: Failure | Migrator.MigrationError) =>
  new LeaseStoreFailed({
    operation,
    // The driver's words, but never a row or a parameter.
    reason: error._tag === "SqlError" ? error.reason.message : error._tag,
  })

/** The database was too busy to do it. */
const busy = (error: Failure) =>
  error._tag === "SqlError" && error.reason.isRetryable && error.reason._tag !== "ConnectionError"

// PostgreSQL's codes for a server that shuts down or starts.
const restarting = (cause: unknown) =>
  typeof cause === "object" &&
  cause !== null &&
  "code" in cause &&
  typeof cause.code === "string" &&
  cause.code.startsWith("57P")

const transient = (error: Failure) =>
  busy(error) ||
  (error._tag === "SqlError" &&
    (error.reason._tag === "ConnectionError" || restarting(error.reason.cause)))

// A database that restarts or is busy is back within this; who waits longer has to hear of it.
const patience = Schedule.max([
  Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("500 millis")]),
  Schedule.recurs(16),
])

const migrate = Migrator.make({})

const make = Effect.fnUntraced(function* (dialect: Dialect) {
  const sql = yield* SqlClient.SqlClient
  const now = sql.literal(dialect.now)

  yield* migrate({ loader: dialect.migrations, table: "cordon_migrations" }).pipe(
    Effect.retry({
      schedule: patience,
      // Another process is at it, or the database is not there yet.
      while: (error) =>
        error._tag === "MigrationError" ? error.kind === "Locked" : transient(error),
    }),
    Effect.mapError(failed("prepare its tables")),
  )

  const columns = sql.literal(`
    host, id, session, instance_id AS "instanceId", phase, token, memory, cpus, disk,
    idle_timeout AS "idleTimeout", remove_timeout AS "removeTimeout",
    CASE WHEN ${dialect.now} > last_used_at THEN ${dialect.now} - last_used_at ELSE 0 END AS "unusedFor",
    CASE WHEN claimed_until > ${dialect.now} THEN claimed_until - ${dialect.now} ELSE 0 END AS "claimedFor"`)

  const number = (value: number) => sql`CAST(${value} AS DOUBLE PRECISION)`
  const keyIs = ({ host, id }: LeaseKey) => sql`host = ${host} AND id = ${id}`
  const held = (key: LeaseKey, token: number) => sql`${keyIs(key)} AND token = ${number(token)}`

  /** Runs a statement that changes nothing when it is run once more. */
  const again = <A>(operation: string, effect: Effect.Effect<A, Failure>) =>
    effect.pipe(
      Effect.retry({ schedule: patience, while: transient }),
      Effect.mapError(failed(operation)),
    )

  const leases = (statement: Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>) =>
    SqlSchema.findAll({ Request: Schema.Void, Result: Row, execute: () => statement })()
  const lease = (
    statement: Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>,
  ): Effect.Effect<Option.Option<Lease>, Failure> =>
    SqlSchema.findOneOption({ Request: Schema.Void, Result: Row, execute: () => statement })()
  const any = (statement: Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>) =>
    Effect.map(statement, (rows) => rows.length > 0)

  const scopeIs = (scope: keyof Quotas, lease: NewLease) =>
    scope === "session" ? sql`session = ${lease.session}` : sql`host = ${lease.host}`

  const usage = (scope: keyof Quotas, lease: NewLease) =>
    SqlSchema.findOne({
      Request: Schema.Void,
      Result: Usage,
      execute: () => sql`
        SELECT CAST(COUNT(*) AS DOUBLE PRECISION) AS sandboxes,
          CAST(COALESCE(SUM(memory), 0) AS DOUBLE PRECISION) AS memory,
          CAST(COALESCE(SUM(cpus), 0) AS DOUBLE PRECISION) AS cpus,
          CAST(COALESCE(SUM(disk), 0) AS DOUBLE PRECISION) AS disk
        FROM cordon_leases WHERE ${scopeIs(scope, lease)}`,
    })().pipe(Effect.catchTag("NoSuchElementError", Effect.die))

  const excess = Effect.fnUntraced(function* (
    lease: NewLease,
    quotas: Quotas,
  ): Effect.fn.Return<Excess | undefined, Failure> {
    const inUse = {
      session: yield* usage("session", lease),
      host: yield* usage("host", lease),
    }
    return findExcess(lease, inUse, quotas)
  })

  const insert = (lease: NewLease) => {
    const { memory, cpus, disk, idleTimeout, removeTimeout } = lease
    const numbers = [memory, cpus, disk, idleTimeout, removeTimeout].map(number)
    return leases(sql`
      INSERT INTO cordon_leases (host, id, session, instance_id, phase, token, memory, cpus, disk,
        idle_timeout, remove_timeout, last_used_at, claimed_until)
      VALUES (${lease.host}, ${lease.id}, ${lease.session}, ${lease.instanceId}, ${lease.phase},
        ${sql.literal(dialect.firstToken)}, ${sql.csv(numbers)}, ${now}, 0)
      ON CONFLICT (host, id) DO NOTHING
      RETURNING ${columns}`)
  }

  const insertion = (rows: ReadonlyArray<Lease>): Insertion =>
    rows[0] === undefined ? { _tag: "Exists" } : { _tag: "Inserted", lease: rows[0] }

  const limited = (quota: Quota | undefined) =>
    Object.values(quota ?? {}).some((limit) => limit !== undefined)

  const { id } = yield* again(
    "read its ID",
    SqlSchema.findOne({
      Request: Schema.Void,
      Result: Schema.Struct({ id: Schema.String }),
      execute: () => sql`SELECT id FROM cordon_store`,
    })().pipe(Effect.catchTag("NoSuchElementError", Effect.die)),
  )

  return LeaseStore.of({
    shared: true,
    id,
    get: (key) =>
      again("read a lease", lease(sql`SELECT ${columns} FROM cordon_leases WHERE ${keyIs(key)}`)),
    list: (host) =>
      again(
        "list the leases",
        leases(sql`SELECT ${columns} FROM cordon_leases WHERE host = ${host}`),
      ),
    insert: (lease, quotas = {}) =>
      (limited(quotas.session) || limited(quotas.host)
        ? dialect.exclusively(
            Effect.gen(function* (): Effect.fn.Return<Insertion, Failure> {
              const found = yield* any(sql`SELECT id FROM cordon_leases WHERE ${keyIs(lease)}`)
              if (found) return { _tag: "Exists" }
              const exceeded = yield* excess(lease, quotas)
              if (exceeded !== undefined) return { _tag: "QuotaExceeded", excess: exceeded }
              return insertion(yield* insert(lease))
            }),
          )
        : Effect.map(insert(lease), insertion)
      ).pipe(
        // Not where the connection broke: it may have been done, and would then find itself there.
        Effect.retry({ schedule: patience, while: busy }),
        Effect.mapError(failed("begin a lease")),
      ),
    renew: (key, token) =>
      again(
        "renew a lease",
        any(sql`
          UPDATE cordon_leases SET last_used_at = ${now} WHERE ${held(key, token)} RETURNING id`),
      ),
    change: (key, token, { phase, instanceId, terms, used, claim, unusedFor }) => {
      const changes = [
        sql`token = ${sql.literal(dialect.nextToken)}`,
        ...(phase === undefined ? [] : [sql`phase = ${phase}`]),
        ...(instanceId === undefined ? [] : [sql`instance_id = ${instanceId}`]),
        ...(terms === undefined
          ? []
          : [
              sql`idle_timeout = ${number(terms.idleTimeout)}`,
              sql`remove_timeout = ${number(terms.removeTimeout)}`,
            ]),
        ...(used ? [sql`last_used_at = ${now}`] : []),
        ...(claim === undefined ? [] : [sql`claimed_until = ${now} + ${number(claim)}`]),
      ]
      const conditions = [
        held(key, token),
        ...(unusedFor === undefined ? [] : [sql`${now} - last_used_at >= ${number(unusedFor)}`]),
      ]
      return again(
        "change a lease",
        lease(sql`
          UPDATE cordon_leases SET ${sql.csv(changes)} WHERE ${sql.and(conditions)}
          RETURNING ${columns}`),
      )
    },
    claimDue: (host, { claim, limit }) =>
      again(
        "claim leases",
        leases(sql`
          WITH due AS MATERIALIZED (
            SELECT host, id FROM cordon_leases
            WHERE host = ${host} AND claimed_until <= ${now} AND (
              phase = 'removing' OR ${now} - last_used_at >= remove_timeout
              OR (phase = 'active' AND ${now} - last_used_at >= idle_timeout))
            ORDER BY last_used_at LIMIT ${sql.literal(String(Math.trunc(limit)))}
            ${sql.literal(dialect.skipLocked)})
          UPDATE cordon_leases SET claimed_until = ${now} + ${number(claim)}
          WHERE (host, id) IN (SELECT host, id FROM due)
          RETURNING ${columns}`),
      ),
    delete: (key, token) =>
      again(
        "end a lease",
        any(sql`DELETE FROM cordon_leases WHERE ${held(key, token)} RETURNING id`),
      ),
    takeTurn: (host, lasting) =>
      again(
        "take a turn",
        any(sql`
          INSERT INTO cordon_turns (host, until) VALUES (${host}, ${now} + ${number(lasting)})
          ON CONFLICT (host) DO UPDATE SET until = excluded.until
          WHERE cordon_turns.until <= ${now}
          RETURNING host`),
      ),
  })
})

/** A lease store over a SQL client, whose tables are made or brought up to date first. */
export const layerSqlStore = (
  dialect: (sql: SqlClient.SqlClient) => Dialect,
): Layer.Layer<LeaseStore, LeaseStoreFailed, SqlClient.SqlClient> =>
  Layer.effect(
    LeaseStore,
    Effect.flatMap(SqlClient.SqlClient, (sql) => make(dialect(sql))),
  )
