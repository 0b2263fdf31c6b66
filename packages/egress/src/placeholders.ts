import { createHmac, randomBytes } from "node:crypto"
import { Redacted } from "effect"
import type { Policy, Rule } from "./policy.ts"

/** Words that stand for secrets inside, by the names of their variables. They stay the same when rules change. */
export class Placeholders {
  readonly #seed: string | Uint8Array

  /** @param seed the same one makes the same words, in any program; one that is nobody else's by default */
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

  /** A header's value with the secrets of a rule in place of what stands for them; also within Basic credentials. */
  fill(value: string, { secrets }: Pick<Rule, "secrets">): string {
    const swap = (text: string) =>
      secrets.reduce(
        (all, [name, secret]) => all.replaceAll(this.of(name), () => Redacted.value(secret)),
        text,
      )
    const [, scheme, encoded] = /^(basic) +([A-Za-z0-9+/=]+)$/i.exec(value) ?? []
    if (scheme === undefined || encoded === undefined) return swap(value)
    const plain = Buffer.from(encoded, "base64").toString("latin1")
    const filled = swap(plain)
    return filled === plain
      ? value
      : `${scheme} ${Buffer.from(filled, "latin1").toString("base64")}`
  }
}
