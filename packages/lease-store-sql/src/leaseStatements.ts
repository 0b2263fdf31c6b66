import type { LeaseChange, LeaseKey, NewLease, Quotas } from "@cordon/core"
import type { Statement } from "effect/sql"
import type { Terms } from "./terms.ts"

/** Reads one lease. */
export const getLease = ({ sql, columns, keyIs }: Terms, key: LeaseKey) =>
  sql`SELECT ${columns(key.host)} FROM cordon_leases WHERE ${keyIs(key)}`

/** Reads all leases on a host. */
export const listLeases = ({ sql, columns }: Terms, host: string) =>
  sql`SELECT ${columns(host)} FROM cordon_leases WHERE host = ${host}`

/** Gives a row if there is a lease with this key. */
export const leaseExists = ({ sql, keyIs }: Terms, key: LeaseKey) =>
  sql`SELECT id FROM cordon_leases WHERE ${keyIs(key)}`

/** Adds up what the leases of a session, or of a host, take of its quota. */
export const sumUsage = ({ sql }: Terms, scope: keyof Quotas, lease: NewLease) => sql`
  SELECT CAST(COUNT(*) AS DOUBLE PRECISION) AS sandboxes,
    CAST(COALESCE(SUM(memory), 0) AS DOUBLE PRECISION) AS memory,
    CAST(COALESCE(SUM(cpus), 0) AS DOUBLE PRECISION) AS cpus,
    CAST(COALESCE(SUM(disk), 0) AS DOUBLE PRECISION) AS disk
  FROM cordon_leases
  WHERE ${scope === "session" ? sql`session = ${lease.session}` : sql`host = ${lease.host}`}`

/** Adds a lease, and gives it back; no row if its key is taken. */
export const insertLease = ({ sql, number, time, columns, firstToken }: Terms, lease: NewLease) => {
  const { memory, cpus, disk, idleTimeout, removeTimeout } = lease
  const numbers = [memory, cpus, disk, idleTimeout, removeTimeout].map(number)
  return sql`
    INSERT INTO cordon_leases (host, id, session, instance_id, phase, token, memory, cpus, disk,
      idle_timeout, remove_timeout, last_used_at, claimed_until)
    VALUES (${lease.host}, ${lease.id}, ${lease.session}, ${lease.instanceId}, ${lease.phase},
      ${firstToken}, ${sql.csv(numbers)}, ${time(lease.host)}, 0)
    ON CONFLICT (host, id) DO NOTHING
    RETURNING ${columns(lease.host)}`
}

/** Counts a use of a sandbox, which lasts so many milliseconds; no row if the token is another one by now. */
export const renewLease = (
  { sql, bigger, number, time, held }: Terms,
  key: LeaseKey,
  token: number,
  lasting: number,
) => sql`
  UPDATE cordon_leases
  SET last_used_at = ${bigger}(last_used_at, ${time(key.host)} + ${number(lasting)})
  WHERE ${held(key, token)} RETURNING id`

/** Changes a lease, and gives it back; no row if the token is another one by now. */
export const changeLease = (terms: Terms, key: LeaseKey, token: number, change: LeaseChange) => {
  const { sql, number, time, held, columns } = terms
  const { unusedFor } = change
  const conditions = [
    held(key, token),
    ...(unusedFor === undefined
      ? []
      : [sql`${time(key.host)} - last_used_at >= ${number(unusedFor)}`]),
  ]
  return sql`
    UPDATE cordon_leases SET ${sql.csv(assignments(terms, key, change))}
    WHERE ${sql.and(conditions)}
    RETURNING ${columns(key.host)}`
}

const assignments = (
  { sql, bigger, number, time, nextToken }: Terms,
  { host }: LeaseKey,
  { phase, instanceId, terms, used, claim }: LeaseChange,
): ReadonlyArray<Statement.Fragment> => {
  const latest = sql`${bigger}(last_used_at, ${time(host)})`
  // An extension of the lease on one incarnation does not hold for another.
  const usedAt =
    instanceId === undefined
      ? latest
      : sql`CASE WHEN instance_id = ${instanceId} THEN ${latest} ELSE ${time(host)} END`
  return [
    sql`token = ${nextToken}`,
    phase !== undefined && sql`phase = ${phase}`,
    instanceId !== undefined && sql`instance_id = ${instanceId}`,
    terms !== undefined && sql`idle_timeout = ${number(terms.idleTimeout)}`,
    terms !== undefined && sql`remove_timeout = ${number(terms.removeTimeout)}`,
    used === true && sql`last_used_at = ${usedAt}`,
    claim !== undefined && sql`claimed_until = ${time(host)} + ${number(claim)}`,
  ].filter((assignment) => assignment !== false)
}

/** Claims leases that are due, the longest unused first, and gives them back. */
export const claimDueLeases = (
  { sql, number, time, columns, skipLocked }: Terms,
  host: string,
  { claim, limit }: { readonly claim: number; readonly limit: number },
) => sql`
  WITH due AS MATERIALIZED (
    SELECT host, id FROM cordon_leases
    WHERE host = ${host} AND claimed_until <= ${time(host)} AND (
      phase IN ('removing', 'condemned') OR ${time(host)} - last_used_at >= remove_timeout
      OR (phase = 'active' AND ${time(host)} - last_used_at >= idle_timeout))
    ORDER BY last_used_at LIMIT ${sql.literal(String(Math.trunc(limit)))}
    ${skipLocked})
  UPDATE cordon_leases SET claimed_until = ${time(host)} + ${number(claim)}
  WHERE (host, id) IN (SELECT host, id FROM due)
  RETURNING ${columns(host)}`

/** Ends a lease; no row if the token is another one by now. */
export const deleteLease = ({ sql, held }: Terms, key: LeaseKey, token: number) =>
  sql`DELETE FROM cordon_leases WHERE ${held(key, token)} RETURNING id`
