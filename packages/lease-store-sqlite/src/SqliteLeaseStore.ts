import { checkInput, type LeaseStore, type LeaseStoreFailed, optionsOf } from "@cordon/core"
import { layerSqlStore } from "@cordon/lease-store-sql"
import { Config, Effect, Layer, Schema } from "effect"
import { layerClient } from "./client.ts"
import { dialect } from "./dialect.ts"

/** Where the database is. */
export interface SqliteOptions {
  /** A file on a local disk, made where it is missing (its folder is not); or `:memory:`. */
  readonly filename: string
}

/**
 * Leases in a SQLite file: for any number of processes on one machine, which have one clock.
 */
export const layer = (options: SqliteOptions): Layer.Layer<LeaseStore, LeaseStoreFailed> => {
  checkInput("options of sqlite()", shape, options)
  return Layer.provide(layerSqlStore(dialect), layerClient(options.filename))
}

const shape = optionsOf({}, { filename: Schema.String } satisfies Record<
  keyof SqliteOptions,
  unknown
>)

/** As `layer`, from a program's configuration. */
export const layerConfig = (
  options: Config.Wrap<SqliteOptions>,
): Layer.Layer<LeaseStore, LeaseStoreFailed | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/** The store for `createSandboxes({ leaseStore: sqlite({ filename }) })`; the same as {@link layer}. */
export const sqlite = layer
