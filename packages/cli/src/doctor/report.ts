import { Isolation, Runtime } from "@cordon/core"
import { Schema } from "effect"
import { Orphan } from "../orphans.ts"

/** One check. */
export const Check = Schema.Struct({
  /** What was checked, such as `engine` or `addresses`. */
  name: Schema.String,
  /** `warning`: sandboxes work, but not as well as they could. `skipped`: it could not be tried. */
  status: Schema.Literals(["ok", "warning", "failed", "skipped"]),
  /** What was found, in words. */
  detail: Schema.String,
  /** Advice; present for every status except `ok`. */
  mend: Schema.optional(Schema.String),
})
export type Check = typeof Check.Type

/** `unknown` if no container could be run for the check. */
const Enforcement = Schema.Literals(["enforced", "ignored", "unknown"])
export type Enforcement = typeof Enforcement.Type

/** The output of `cordon doctor --json`. */
export const DoctorReport = Schema.Struct({
  /** The worst status of all checks: `broken` if one failed, `limping` if one warned. */
  verdict: Schema.Literals(["healthy", "limping", "broken"]),
  /** The engine's address, and why this one was chosen; absent if no engine was found. */
  endpoint: Schema.optionalKey(Schema.Struct({ host: Schema.String, source: Schema.String })),
  /** The engine itself; absent if it did not answer. */
  engine: Schema.optionalKey(
    Schema.Struct({
      /** The engine's version. */
      version: Schema.String,
      /** The version of its API. */
      apiVersion: Schema.String,
      /** Its operating system and architecture: `linux/amd64`. */
      platform: Schema.String,
      /** `1` or `2`. */
      cgroupVersion: Schema.optionalKey(Schema.String),
      /** What manages its control groups: `systemd`, `cgroupfs`; absent if the engine does not say. */
      cgroupDriver: Schema.optional(Schema.String),
      /** The default runtime: `runc`, `crun`. */
      defaultRuntime: Schema.optionalKey(Schema.String),
      /** The storage driver, and the kind of image store. */
      imageStore: Schema.optionalKey(Schema.String),
      /** Whether the engine runs without root's rights. */
      rootless: Schema.optionalKey(Schema.Boolean),
    }),
  ),
  /** The runtimes that the engine offers to sandboxes. */
  runtimes: Schema.Array(
    Schema.Struct({
      /** The runtime's name in a creation. */
      runtime: Runtime,
      /** What the runtime puts between a sandbox and the host's kernel. */
      isolation: Isolation,
      /** Whether files outlive a stop. */
      keepsFiles: Schema.Boolean,
      /** Whether a sandbox ran with it; absent if none could be tried. */
      works: Schema.optionalKey(Schema.Boolean),
    }),
  ),
  /** Whether the engine holds a sandbox to each limit. */
  limits: Schema.Struct({ memory: Enforcement, cpus: Enforcement, pids: Enforcement }),
  /** The number of subnets for sandboxes' networks. */
  addresses: Schema.optionalKey(
    Schema.Struct({
      /** The range of addresses that subnets are taken from: `10.213.0.0/16`. */
      pool: Schema.String,
      /** All subnets of the pool. */
      total: Schema.Int,
      /** Subnets that no network of the engine has. */
      free: Schema.Int,
    }),
  ),
  /** What no program can use any more, and `cordon gc` removes. */
  orphans: Schema.Array(Orphan),
  /** All checks, in the order in which they were made. */
  checks: Schema.Array(Check),
})
export type DoctorReport = typeof DoctorReport.Type
