import { Context, Effect, Layer } from "effect"
import type { InvalidInput, InvalidLimits } from "./errors.ts"
import type { Quotas } from "./leases/quotas.ts"
import { makePolicy, type Policy } from "./Policy.ts"
import { readAllow } from "./settings/allow.ts"
import { type CheckedSettings, readSettings } from "./settings/CheckedSettings.ts"
import { json } from "./settings/environment.ts"
import { readLimits } from "./settings/limits.ts"
import { readQuota } from "./settings/quotas.ts"
import type { SettingsInput } from "./settings/SettingsInput.ts"
import { checkEgress } from "./values/EgressRules.ts"
import type { Limits } from "./values/Limits.ts"
import { checkCredentials, type RegistryLogins } from "./values/Registry.ts"

const readEgress = (input: SettingsInput["egress"]) =>
  json(input, "settings (egress)", "EGRESS", undefined, checkEgress)

const readCredentials = (input: SettingsInput["registryCredentials"]) =>
  json(
    input,
    "settings (registryCredentials)",
    "REGISTRY_CREDENTIALS",
    new Map<string, never>(),
    checkCredentials,
  )

/** How sandboxes are made and kept: what the program says, else the environment, else the default. */
export class Settings extends Context.Service<
  Settings,
  (typeof CheckedSettings)["Type"] & {
    /** What a sandbox may use at most, where its creation says nothing. */
    readonly limits: Limits
    /** What the sandboxes of a session, and all sandboxes of a host, may have together. */
    readonly quotas: Required<Quotas>
    /** What a creation gets by default, and the most that it may ask for. */
    readonly policy: Policy
    /** Credentials by registry, for images that the settings name. */
    readonly registryLogins: RegistryLogins
  }
>()("@cordon/core/Settings") {
  /**
   * The settings of a program, with environment variables and defaults for what it leaves out.
   *
   * @example
   * import { Settings } from "@cordon/core"
   *
   * const layer = Settings.layer({ idleTimeout: "1 hour", limits: { memory: "1GiB" } })
   */
  static readonly layer = (
    input: SettingsInput = {},
  ): Layer.Layer<Settings, InvalidInput | InvalidLimits> =>
    Layer.effect(
      Settings,
      Effect.gen(function* () {
        const limits = yield* readLimits(input.limits ?? {})
        const checked = yield* readSettings(input)
        const session = { ...input.sessionQuota, sandboxes: checked.maxSandboxes }
        const quotas = {
          session: yield* readQuota("sessionQuota", session, "SESSION"),
          host: yield* readQuota("hostQuota", input.hostQuota ?? {}, "HOST"),
        }
        const { image, runtime, network, requireLimits } = checked
        const policy = yield* makePolicy(
          { image, runtime, network, limits, egress: yield* readEgress(input.egress) },
          yield* readAllow(input.allow),
          requireLimits,
        )
        const registryLogins = yield* readCredentials(input.registryCredentials)
        return { ...checked, limits, quotas, policy, registryLogins }
      }),
    )
}
