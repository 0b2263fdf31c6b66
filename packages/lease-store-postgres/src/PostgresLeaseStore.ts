import { checkInput, type LeaseStore, type LeaseStoreFailed, optionNames } from "@cordon/core"
import { type Dialect, layerSqlStore } from "@cordon/lease-store-sql"
import { PgClient } from "@effect/sql-pg"
import { Config, Effect, Layer, Redacted } from "effect"
import type { SqlClient } from "effect/sql"
import { migrations } from "./migrations.ts"

/**
 * How to connect to the database. Defaults: host `localhost`, port 5432, the user that `USER` names, a database with
 * the user's name, and no password. A separate option wins over the same part of `url`.
 */
export interface PostgresOptions extends Omit<PgClient.PgPoolConfig, "url" | "password"> {
  /** `postgres://user:password@host:5432/database`; each part can be a separate option instead. */
  readonly url?: string | Redacted.Redacted
  /** The user's password; it wins over the one in `url`. */
  readonly password?: string | Redacted.Redacted
}

// An arbitrary number. The lock on it lets one insertion with quotas run at a time.
const quotaLock = 0x636f7264

const dialect = (sql: SqlClient.SqlClient): Dialect => ({
  now: "(extract(epoch FROM clock_timestamp())::double precision * 1000)",
  smaller: "LEAST",
  bigger: "GREATEST",
  firstToken: "nextval('cordon_lease_token')::double precision",
  nextToken: "nextval('cordon_lease_token')::double precision",
  skipLocked: "FOR UPDATE SKIP LOCKED",
  exclusively: (effect) =>
    sql.withTransaction(
      Effect.andThen(sql`SELECT pg_advisory_xact_lock(${sql.literal(String(quotaLock))})`, effect),
    ),
  migrations,
})

const redacted = <A>(value: string | A) =>
  typeof value === "string" ? Redacted.make(value) : value

/**
 * The store over the program's own SQL client for PostgreSQL.
 *
 * @example
 * import { layerClient } from "@cordon/lease-store-postgres"
 * import { PgClient } from "@effect/sql-pg"
 * import { Layer } from "effect"
 *
 * const leases = Layer.provide(layerClient, PgClient.layer({ database: "cordon" }))
 */
export const layerClient: Layer.Layer<LeaseStore, LeaseStoreFailed, SqlClient.SqlClient> =
  layerSqlStore(dialect)

/**
 * Leases in PostgreSQL: for any number of workers and hosts. The database's clock decides.
 *
 * @example
 * import { Sandboxes } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 * import { layer } from "@cordon/lease-store-postgres"
 * import { Layer } from "effect"
 *
 * const leases = layer({ url: "postgres://cordon@localhost/cordon" })
 * const layerLive = Layer.provide(Sandboxes.layerStore(), [docker(), leases])
 */
export const layer = (given: PostgresOptions): Layer.Layer<LeaseStore, LeaseStoreFailed> => {
  checkInput("options of postgres()", shape, given)
  const { url, password, ...options } = given
  const config = { applicationName: "cordon", ...options }
  const client = PgClient.layer({ ...config, url: redacted(url), password: redacted(password) })
  // The client connects at the first query, which reports a failed connection. So the client itself can't fail.
  return Layer.provide(layerClient, Layer.orDie(client))
}

const shape = optionNames<PostgresOptions>({
  url: true,
  password: true,
  host: true,
  port: true,
  path: true,
  ssl: true,
  database: true,
  username: true,
  connectTimeout: true,
  keepAlive: true,
  stream: true,
  applicationName: true,
  startupParameters: true,
  startupOptions: true,
  spanAttributes: true,
  transformResultNames: true,
  transformQueryNames: true,
  transformJson: true,
  types: true,
  multiplex: true,
  multiplexConcurrency: true,
  prepare: true,
  preparedStatementCacheSize: true,
  maxMessageSize: true,
  idleTimeout: true,
  maxConnections: true,
  minConnections: true,
  connectionTTL: true,
})

/**
 * As `layer`, from a program's configuration.
 *
 * @example
 * import { layerConfig } from "@cordon/lease-store-postgres"
 * import { Config } from "effect"
 *
 * const leases = layerConfig({ url: Config.Redacted("DATABASE_URL") })
 */
export const layerConfig = (
  options: Config.Wrap<PostgresOptions>,
): Layer.Layer<LeaseStore, LeaseStoreFailed | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/**
 * The store for `createSandboxes({ leaseStore: postgres({ url }) })`; the same as {@link layer}.
 *
 * @example
 * import { createSandboxes } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 * import { postgres } from "@cordon/lease-store-postgres"
 *
 * const leaseStore = postgres({ url: "postgres://cordon@localhost/cordon" })
 * await using sandboxes = createSandboxes({ driver: docker(), leaseStore })
 */
export const postgres = layer
