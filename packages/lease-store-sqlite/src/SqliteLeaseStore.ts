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
 *
 * @example
 * import { Sandboxes } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 * import { layer } from "@cordon/lease-store-sqlite"
 * import { Layer } from "effect"
 *
 * const leases = layer({ filename: "leases.db" })
 * const layerLive = Layer.provide(Sandboxes.layerStore(), [docker(), leases])
 */
export const layer = (options: SqliteOptions): Layer.Layer<LeaseStore, LeaseStoreFailed> => {
  checkInput("options of sqlite()", shape, options)
  return Layer.provide(layerSqlStore(dialect), layerClient(options.filename))
}

const shape = optionsOf({}, { filename: Schema.String } satisfies Record<
  keyof SqliteOptions,
  unknown
>)

/**
 * As `layer`, from a program's configuration.
 *
 * @example
 * import { layerConfig } from "@cordon/lease-store-sqlite"
 * import { Config } from "effect"
 *
 * const leases = layerConfig({ filename: Config.String("LEASES_FILE") })
 */
export const layerConfig = (
  options: Config.Wrap<SqliteOptions>,
): Layer.Layer<LeaseStore, LeaseStoreFailed | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/**
 * The store for `createSandboxes({ leaseStore: sqlite({ filename }) })`; the same as {@link layer}.
 *
 * @example
 * import { createSandboxes } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 * import { sqlite } from "@cordon/lease-store-sqlite"
 *
 * const leaseStore = sqlite({ filename: "leases.db" })
 * await using sandboxes = createSandboxes({ driver: docker(), leaseStore })
 */
export const sqlite = layer
