import { Isolation, Runtime } from "@cordon/core"
import { Schema } from "effect"
import { Orphan } from "../orphans.ts"

/** One check. */
export const Check = Schema.Struct({
  name: Schema.String,
  /** `warning`: sandboxes work, but not as well as they could. `skipped`: it could not be tried. */
  status: Schema.Literals(["ok", "warning", "failed", "skipped"]),
  detail: Schema.String,
  /** Advice; present for every status except `ok`. */
  mend: Schema.optionalKey(Schema.String),
})
export type Check = typeof Check.Type

/** `unknown` if no container could be run for the check. */
const Enforcement = Schema.Literals(["enforced", "ignored", "unknown"])
export type Enforcement = typeof Enforcement.Type

/** The output of `cordon doctor --json`. */
export const DoctorReport = Schema.Struct({
  /** The worst status of all checks: `broken` if one failed, `limping` if one warned. */
  verdict: Schema.Literals(["healthy", "limping", "broken"]),
  endpoint: Schema.optionalKey(Schema.Struct({ host: Schema.String, source: Schema.String })),
  engine: Schema.optionalKey(
    Schema.Struct({
      version: Schema.String,
      apiVersion: Schema.String,
      platform: Schema.String,
      cgroupVersion: Schema.optionalKey(Schema.String),
      cgroupDriver: Schema.optionalKey(Schema.String),
      /** The default runtime: `runc`, `crun`. */
      defaultRuntime: Schema.optionalKey(Schema.String),
      /** The storage driver, and the kind of image store. */
      imageStore: Schema.optionalKey(Schema.String),
      rootless: Schema.optionalKey(Schema.Boolean),
    }),
  ),
  runtimes: Schema.Array(
    Schema.Struct({
      runtime: Runtime,
      isolation: Isolation,
      keepsFiles: Schema.Boolean,
      /** Whether a sandbox ran with it; absent if none could be tried. */
      works: Schema.optionalKey(Schema.Boolean),
    }),
  ),
  limits: Schema.Struct({ memory: Enforcement, cpus: Enforcement, pids: Enforcement }),
  /** The number of subnets for sandboxes' networks. */
  addresses: Schema.optionalKey(
    Schema.Struct({ pool: Schema.String, total: Schema.Int, free: Schema.Int }),
  ),
  orphans: Schema.Array(Orphan),
  checks: Schema.Array(Check),
})
export type DoctorReport = typeof DoctorReport.Type
