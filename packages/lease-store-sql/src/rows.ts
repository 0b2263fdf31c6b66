import { SandboxId, SessionKey } from "@cordon/core"
import { Schema } from "effect"

/** A lease as every query has it; the database has computed its ages. */
export const Row = Schema.Struct({
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
