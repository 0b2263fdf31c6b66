import { type Lease, SandboxId, SessionKey } from "@cordon/core"
import { Effect, type Option, Schema } from "effect"
import { type SqlError, SqlSchema } from "effect/sql"
import type { Failure } from "./failures.ts"

/** A lease as each statement gives it, its ages computed by the database. */
const Row = Schema.Struct({
  host: Schema.String,
  id: SandboxId,
  session: SessionKey,
  instanceId: Schema.String,
  phase: Schema.Literals(["creating", "active", "idle", "stopped", "removing", "condemned"]),
  token: Schema.Int,
  memory: Schema.Finite,
  cpus: Schema.Finite,
  disk: Schema.Finite,
  idleTimeout: Schema.Finite,
  removeTimeout: Schema.Finite,
  unusedFor: Schema.Finite,
  claimedFor: Schema.Finite,
})

/** What leases take of a quota together. */
export const Usage = Schema.Struct({
  sandboxes: Schema.Int,
  memory: Schema.Finite,
  cpus: Schema.Finite,
  disk: Schema.Finite,
})

type Rows = Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>

/** All leases that a statement gives. */
export const allLeases = (statement: Rows): Effect.Effect<ReadonlyArray<Lease>, Failure> =>
  SqlSchema.findAll({ Request: Schema.Void, Result: Row, execute: () => statement })()

/** The lease that a statement gives, if it gives one. */
export const oneLease = (statement: Rows): Effect.Effect<Option.Option<Lease>, Failure> =>
  SqlSchema.findOneOption({ Request: Schema.Void, Result: Row, execute: () => statement })()

/** The first row of a statement that always gives one. */
export const firstRow = <S extends Schema.Top>(row: S, statement: Rows) =>
  SqlSchema.findOne({ Request: Schema.Void, Result: row, execute: () => statement })().pipe(
    Effect.catchTag("NoSuchElementError", Effect.die),
  )

/** Whether a statement gives any row. */
export const anyRow = (statement: Rows) => Effect.map(statement, (rows) => rows.length > 0)
