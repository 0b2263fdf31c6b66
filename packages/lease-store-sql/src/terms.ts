import type { LeaseKey } from "@cordon/core"
import type { SqlClient } from "effect/sql"
import type { Dialect } from "./Dialect.ts"

/** The expressions that the statements are made of. */
export const makeTerms = (sql: SqlClient.SqlClient, dialect: Dialect) => {
  const now = sql.literal(dialect.now)
  const bigger = sql.literal(dialect.bigger)
  const number = (value: number) => sql`CAST(${value} AS DOUBLE PRECISION)`
  const keyIs = ({ host, id }: LeaseKey) => sql`host = ${host} AND id = ${id}`

  /** Milliseconds between two readings of the database's clock, but at least 0 and at most a step. */
  const passed = (seenAt: string, step: string, now: string) =>
    sql.literal(`${dialect.bigger}(0, ${dialect.smaller}(${now} - ${seenAt}, ${step}))`)

  /** Milliseconds of a host's time, see `LeaseStore.beat`. */
  const time = (host: string) =>
    sql`COALESCE(
      (SELECT time + ${passed("seen_at", "step", dialect.now)}
        FROM cordon_clocks WHERE host = ${host}),
      ${now})`

  return {
    sql,
    /** Milliseconds since the epoch by the database's clock. */
    now,
    /** The function that chooses the bigger of two numbers. */
    bigger,
    number,
    passed,
    time,
    keyIs,
    /** Whether a lease has this token still. */
    held: (key: LeaseKey, token: number) => sql`${keyIs(key)} AND token = ${number(token)}`,
    /** A lease as `Row` has it. */
    columns: (host: string) => sql`
      host, id, session, instance_id AS "instanceId", phase, token, memory, cpus, disk,
      idle_timeout AS "idleTimeout", remove_timeout AS "removeTimeout",
      ${bigger}(0, ${time(host)} - last_used_at) AS "unusedFor",
      ${bigger}(0, claimed_until - ${time(host)}) AS "claimedFor"`,
    /** The token of a new lease: higher than any that its ID ever had. */
    firstToken: sql.literal(dialect.firstToken),
    /** The token of a changed lease. */
    nextToken: sql.literal(dialect.nextToken),
    skipLocked: sql.literal(dialect.skipLocked),
  }
}

export type Terms = ReturnType<typeof makeTerms>
