import { createHmac, randomBytes } from "node:crypto"
import { Redacted } from "effect"
import type { Policy, Rule } from "./policy.ts"

/**
 * Placeholders for secrets inside the sandbox, by the names of their variables. They stay the same
 * when the rules change.
 */
export class Placeholders {
  readonly #seed: string | Uint8Array

  /** @param seed the same seed makes the same placeholders in every program. Default: random */
  constructor(seed: string | Uint8Array = randomBytes(32)) {
    this.#seed = seed
  }

  of(name: string): string {
    return `cordon_${createHmac("sha256", this.#seed).update(name).digest("hex").slice(0, 48)}`
  }

  /** The variables of all rules. */
  env(policy: Policy): Record<string, string> {
    const names = policy.entries.flatMap(({ rules }) =>
      rules.flatMap(({ secrets }) => secrets.map(([name]) => name)),
    )
    return Object.fromEntries(names.map((name) => [name, this.of(name)]))
  }

  /** A header's value with the placeholders replaced by the rule's secrets. */
  fill(value: string, { secrets }: Pick<Rule, "secrets">): string {
    return secrets.reduce(
      (all, [name, secret]) => all.replaceAll(this.of(name), () => Redacted.value(secret)),
      value,
    )
  }

  /** As `fill`; also within Basic credentials, as git sends them. */
  fillCredentials(value: string, rule: Pick<Rule, "secrets">): string {
    const [, scheme, encoded] = /^(basic) +([A-Za-z0-9+/=]+)$/i.exec(value) ?? []
    if (scheme === undefined || encoded === undefined) return this.fill(value, rule)
    const plain = Buffer.from(encoded, "base64").toString("latin1")
    const filled = this.fill(plain, rule)
    return filled === plain
      ? value
      : `${scheme} ${Buffer.from(filled, "latin1").toString("base64")}`
  }
}
