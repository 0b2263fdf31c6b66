import { Effect, Redacted, Schema } from "effect"
import { InvalidInput, invalidInput } from "../errors.ts"
import type { EgressRules } from "../values/EgressRules.ts"
import type { RegistryCredentialsInput } from "../values/Registry.ts"
import { Environment, type SandboxInfo } from "../values/Sandbox.ts"

/**
 * Secret values by the names of environment variables. Each command that this program runs in the sandbox
 * (`exec`, background processes, terminals) gets them, and nothing else does: they are kept in this
 * program's memory, and are no part of the sandbox's configuration, labels, snapshots, logs or errors.
 * Code in the sandbox can read them. Another program that uses the sandbox has to give them again.
 */
export type Secrets = Readonly<Record<string, string | Redacted.Redacted<string>>>

/** What a creation is given that only this program's memory keeps. */
export interface CreateSecrets {
  /** Variables for the commands of this program only. Default: none. */
  readonly secrets?: Secrets | undefined
  /**
   * Credentials by registry, in place of all others for the image of this one creation. The registry is
   * asked even where the host has the image, so that a creation gets only what its own credentials open.
   * They are sent to the engine with the pull, and nowhere else. Default: those of the settings.
   */
  readonly registryCredentials?: RegistryCredentialsInput | undefined
}

/** What a program says again of a sandbox that it finds, since no other place keeps it. */
export interface GetOptions {
  /** Secrets in place of those that this program kept for the sandbox. Default: those stay. */
  readonly secrets?: Secrets | undefined
  /**
   * The rules of its way out, as for `egress.update`. After a program has started again, nothing leaves
   * the sandbox until the program gives rules again. A stopped sandbox is started for them.
   */
  readonly egress?: EgressRules | undefined
}

/** Checks secrets without a schema for their values, whose refusal could repeat a value. */
export const checkSecrets = Effect.fnUntraced(function* (secrets: Secrets) {
  const values: Record<string, string> = {}
  for (const [name, secret] of Object.entries(secrets)) {
    const value: unknown = Redacted.isRedacted(secret) ? Redacted.value(secret) : secret
    if (typeof value !== "string" || value.includes("\0") || !value.isWellFormed()) {
      return yield* new InvalidInput({
        subject: "secrets",
        issue: `the value of ${JSON.stringify(name)} must be well-formed text without NUL characters`,
      })
    }
    values[name] = value
  }
  const names = Object.fromEntries(Object.keys(values).map((name) => [name, ""]))
  yield* Effect.mapError(Schema.decodeUnknownEffect(Environment)(names), invalidInput("secrets"))
  return values
})

/** Secrets by `instanceId`: a sandbox that is made anew under the same name has none of the old one's. */
export type SecretsInMemory = Map<SandboxInfo["instanceId"], Environment>
