import { type Duration, Schema } from "effect"
import type { Allow } from "../Policy.ts"
import type { EgressPolicy } from "../values/Egress.ts"
import type { EgressRules } from "../values/EgressRules.ts"
import type { Limits, LimitsInput } from "../values/Limits.ts"
import type { RegistryCredentialsInput } from "../values/Registry.ts"
import type { RuntimeChoice } from "../values/Runtime.ts"
import type { NetworkMode } from "../values/Sandbox.ts"

/** The most that sandboxes may have together, running or stopped; what is absent is not limited. */
export interface QuotaInput {
  /** Bytes, or a size such as `64GiB`. */
  readonly memory?: number | string | undefined
  /** Cores. */
  readonly cpus?: number | undefined
  /** Bytes, or a size. With a quota of disk space each sandbox needs a limit of it. */
  readonly disk?: number | string | undefined
}

/** What a program may set; every part has a default and an environment variable. */
export interface SettingsInput {
  /** Default image: `ubuntu:24.04`. */
  readonly image?: string | undefined
  /** Default runtime: `runc`. `strongest` takes the strongest that the host offers. */
  readonly runtime?: RuntimeChoice | undefined
  /** Default limits: 2 GiB of memory, 1 core, 256 processes. */
  readonly limits?: LimitsInput | undefined
  /** Default network: `bridge`. */
  readonly network?: NetworkMode | undefined
  /**
   * Where sandboxes with a `bridge` network may go by default, as a list of destinations or as rules: anywhere. It is a
   * ceiling too. `CONTAINER_SANDBOX_EGRESS` has it as JSON.
   */
  readonly egress?: EgressPolicy | EgressRules | undefined
  /**
   * What a creation may ask for beyond these settings, which else are the most that it gets: nothing,
   * but other images of public registries.
   */
  readonly allow?: Allow | undefined
  /**
   * Limits that a host must enforce for a sandbox to be made on it: none. Where a host does not enforce
   * one that is not named here, the first creation logs a warning.
   */
  readonly requireLimits?: ReadonlyArray<keyof Limits> | undefined
  /** A sandbox that nobody used for this long is stopped: 10 minutes. */
  readonly idleTimeout?: Duration.Input | undefined
  /** A sandbox that nobody used for this long is removed: 20 minutes. */
  readonly removeTimeout?: Duration.Input | undefined
  /** The most by which `extend` puts off a sandbox's timeouts, from the time of the call: 1 hour. */
  readonly extensionLimit?: Duration.Input | undefined
  /** Time a command gets unless it asks for another: 2 minutes. */
  readonly execTimeout?: Duration.Input | undefined
  /** Bytes kept of each output of a command: 1 MiB. */
  readonly outputLimit?: number | undefined
  /** Bytes of a file that can be read at once: 16 MiB. */
  readonly fileLimit?: number | undefined
  /** Bytes that one download may bring: 8 GiB. */
  readonly transferLimit?: number | undefined
  /** Sandboxes that a session may have at once: 16. */
  readonly maxSandboxes?: number | undefined
  /** What the sandboxes of a session may have together: not limited. */
  readonly sessionQuota?: QuotaInput | undefined
  /** What all sandboxes on a host may have together: not limited. */
  readonly hostQuota?: (QuotaInput & { readonly sandboxes?: number }) | undefined
  /** Whether closing removes the sandboxes that were created through it: true. */
  readonly removeOnClose?: boolean | undefined
  /**
   * Credentials by registry, for images that these settings name (`image`, `allow.images`, and registries
   * in `allow.registries` that are not public). For other registries the driver looks for those of this
   * user: see docs/registries.md. They are sent to the engine with a pull, and nowhere else.
   */
  readonly registryCredentials?: RegistryCredentialsInput | undefined
  /**
   * When a registry is asked for an image: `missing`, where the host does not have it; `always`, so that
   * nobody gets an image that somebody else pulled with rights of their own. Default: `missing`.
   */
  readonly pull?: PullPolicy | undefined
}

export const PullPolicy = Schema.Literals(["missing", "always"])
/** When a registry is asked for an image: see `SettingsInput.pull`. */
export type PullPolicy = typeof PullPolicy.Type
