import {
  type Excess,
  findExcess,
  hostSilence,
  type Insertion,
  type Lease,
  type LeaseKey,
  LeaseStore,
  LeaseStoreFailed,
  type NewLease,
  type Quota,
  type Quotas,
} from "@cordon/core"
import { Data, Duration, Effect, Layer, type Option, Predicate, Schedule, Schema } from "effect"
import { Migrator, SqlClient, SqlError, SqlSchema } from "effect/sql"
import { Row, Usage } from "./rows.ts"

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

type Failure = SqlError.SqlError | Schema.SchemaError

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

const failed = (operation: string) => (error: unknown) =>
  new LeaseStoreFailed({ operation, reason: reasonOf(error) })

/** A transaction whose rollback failed as well, the connection being gone: it was not committed. */
class BrokenOff extends Data.TaggedError("BrokenOff")<{ readonly cause: SqlError.SqlError }> {}

/** Takes for a failure what a broken connection makes of a transaction: a defect. */
const failing = <A, E, R>(
  transaction: Effect.Effect<A, E, R>,
): Effect.Effect<A, E | BrokenOff, R> =>
  Effect.catchDefect(transaction, (defect) =>
    defect instanceof SqlError.SqlError
      ? Effect.fail(new BrokenOff({ cause: defect }))
      : Effect.die(defect),
  )

/** The database was too busy to do it. */
const busy = (error: Failure) =>
  error._tag === "SqlError" && error.reason.isRetryable && error.reason._tag !== "ConnectionError"

// PostgreSQL's codes for a server that shuts down or starts.
const restarting = (cause: unknown) =>
  Predicate.hasProperty(cause, "code") && String(cause.code).startsWith("57P")

const transient = (error: Failure) =>
  error._tag === "SqlError" && (error.reason.isRetryable || restarting(error.reason.cause))

// A database that restarts or is busy is back within this; who waits longer has to hear of it.
const patience = Schedule.max([
  Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("500 millis")]),
  Schedule.recurs(16),
])

// Of a database that takes connections and says nothing each try takes long.
const preparing = Duration.seconds(15)
const silent = () => {
  const reason = `it did not answer within ${Duration.format(preparing)}`
  return Effect.fail(new LeaseStoreFailed({ operation: "prepare its tables", reason }))
}

const migrate = Migrator.make({})

/** The database is not there yet, or goes away while its tables are made. */
const notYet = (error: Migrator.MigrationError | SqlError.SqlError | BrokenOff): boolean => {
  if (error._tag === "BrokenOff") return true
  const cause = error._tag === "MigrationError" ? error.cause : error
  return cause instanceof SqlError.SqlError && transient(cause)
}

const make = Effect.fnUntraced(function* (dialect: Dialect) {
  const sql = yield* SqlClient.SqlClient
  const now = sql.literal(dialect.now)
  const bigger = sql.literal(dialect.bigger)

  yield* failing(migrate({ loader: dialect.migrations, table: "cordon_migrations" })).pipe(
    Effect.retry({ schedule: patience, while: notYet }),
    Effect.mapError(failed("prepare its tables")),
    Effect.timeoutOrElse({ duration: preparing, orElse: silent }),
  )

  const passed = (seenAt: string, step: string, now: string) =>
    `${dialect.bigger}(0, ${dialect.smaller}(${now} - ${seenAt}, ${step}))`

  /** Milliseconds of a host's time, see `LeaseStore.beat`. */
  const time = (host: string) =>
    sql`COALESCE(
      (SELECT time + ${sql.literal(passed("seen_at", "step", dialect.now))}
        FROM cordon_clocks WHERE host = ${host}),
      ${now})`

  const columns = (host: string) => sql`
    host, id, session, instance_id AS "instanceId", phase, token, memory, cpus, disk,
    idle_timeout AS "idleTimeout", remove_timeout AS "removeTimeout",
    ${bigger}(0, ${time(host)} - last_used_at) AS "unusedFor",
    ${bigger}(0, claimed_until - ${time(host)}) AS "claimedFor"`

  const beaten = sql.literal(
    passed("cordon_clocks.seen_at", "cordon_clocks.step", "excluded.seen_at"),
  )

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
        ${sql.literal(dialect.firstToken)}, ${sql.csv(numbers)}, ${time(lease.host)}, 0)
      ON CONFLICT (host, id) DO NOTHING
      RETURNING ${columns(lease.host)}`)
  }

  const insertion = (rows: ReadonlyArray<Lease>): Insertion =>
    rows[0] === undefined ? { _tag: "Exists" } : { _tag: "Inserted", lease: rows[0] }

  const limited = (quota: Quota = {}) => Object.keys(quota).length > 0

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
    beat: (host, { step, mark }) =>
      again(
        "let time pass",
        any(sql`
          INSERT INTO cordon_clocks (host, time, seen_at, step, mark)
          VALUES (${host}, ${now}, ${now}, ${number(step)}, ${mark})
          ON CONFLICT (host) DO UPDATE SET
            time = cordon_clocks.time + ${beaten},
            seen_at = excluded.seen_at, step = excluded.step, mark = excluded.mark
          WHERE cordon_clocks.mark = excluded.mark
            OR excluded.seen_at - cordon_clocks.seen_at > ${number(hostSilence)}
          RETURNING host`),
      ),
    get: (key) =>
      again(
        "read a lease",
        lease(sql`SELECT ${columns(key.host)} FROM cordon_leases WHERE ${keyIs(key)}`),
      ),
    list: (host) =>
      again(
        "list the leases",
        leases(sql`SELECT ${columns(host)} FROM cordon_leases WHERE host = ${host}`),
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
        failing,
        // Not where the connection broke: it may have been done, and would then find itself there.
        Effect.retry({
          schedule: patience,
          while: (error) => error._tag === "BrokenOff" || busy(error),
        }),
        Effect.mapError(failed("begin a lease")),
      ),
    renew: (key, token, lasting = 0) =>
      again(
        "renew a lease",
        any(sql`
          UPDATE cordon_leases
          SET last_used_at = ${bigger}(last_used_at, ${time(key.host)} + ${number(lasting)})
          WHERE ${held(key, token)} RETURNING id`),
      ),
    change: (key, token, { phase, instanceId, terms, used, claim, unusedFor }) => {
      const latest = sql`${bigger}(last_used_at, ${time(key.host)})`
      // Nothing that a program did to one incarnation holds for another.
      const usedAt =
        instanceId === undefined
          ? latest
          : sql`CASE WHEN instance_id = ${instanceId} THEN ${latest} ELSE ${time(key.host)} END`
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
        ...(used ? [sql`last_used_at = ${usedAt}`] : []),
        ...(claim === undefined ? [] : [sql`claimed_until = ${time(key.host)} + ${number(claim)}`]),
      ]
      const conditions = [
        held(key, token),
        ...(unusedFor === undefined
          ? []
          : [sql`${time(key.host)} - last_used_at >= ${number(unusedFor)}`]),
      ]
      return again(
        "change a lease",
        lease(sql`
          UPDATE cordon_leases SET ${sql.csv(changes)} WHERE ${sql.and(conditions)}
          RETURNING ${columns(key.host)}`),
      )
    },
    claimDue: (host, { claim, limit }) =>
      again(
        "claim leases",
        leases(sql`
          WITH due AS MATERIALIZED (
            SELECT host, id FROM cordon_leases
            WHERE host = ${host} AND claimed_until <= ${time(host)} AND (
              phase IN ('removing', 'condemned') OR ${time(host)} - last_used_at >= remove_timeout
              OR (phase = 'active' AND ${time(host)} - last_used_at >= idle_timeout))
            ORDER BY last_used_at LIMIT ${sql.literal(String(Math.trunc(limit)))}
            ${sql.literal(dialect.skipLocked)})
          UPDATE cordon_leases SET claimed_until = ${time(host)} + ${number(claim)}
          WHERE (host, id) IN (SELECT host, id FROM due)
          RETURNING ${columns(host)}`),
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
          INSERT INTO cordon_turns (host, until) VALUES (${host}, ${time(host)} + ${number(lasting)})
          ON CONFLICT (host) DO UPDATE SET until = excluded.until
          WHERE cordon_turns.until <= ${time(host)}
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
