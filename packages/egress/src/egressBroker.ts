import { createHmac, randomBytes } from "node:crypto"
import { EgressBroker, type EgressSecret, InvalidInput } from "@cordon/core"
import { Effect, Layer, Redacted } from "effect"
import type { EgressBrokerOptions } from "./options.ts"

const invalid = (subject: string, issue: string) => new InvalidInput({ subject, issue })

const seedOf = (seed: EgressSecret | undefined): string | Uint8Array => {
  if (seed === undefined) return randomBytes(32)
  return Redacted.isRedacted(seed) ? Redacted.value(seed) : seed
}

const check = Effect.fnUntraced(function* ({ askTimeout = 30_000, seed }: EgressBrokerOptions) {
  if (!(askTimeout >= 1 && askTimeout <= 3_600_000)) {
    return yield* invalid("askTimeout", "it must be between 1 and 3,600,000 milliseconds")
  }
  const source = seedOf(seed)
  if (source.length < 16) return yield* invalid("seed", "it must have at least 16 characters")
  return { askTimeout, source }
})

/**
 * Makes this program the egress proxy of sandboxes that have rules (`egress` of a creation).
 * Secrets stay in the program's memory, rules change at once, and when the program ends, these
 * sandboxes reach nothing.
 *
 * @example
 * import { createSandboxes } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 * import { egressBroker } from "@cordon/egress"
 *
 * await using sandboxes = createSandboxes({ driver: docker(), egressBroker: egressBroker() })
 * const authorization = `Bearer ${process.env["EXAMPLE_KEY"]}`
 * await using sandbox = await sandboxes.create({
 *   egress: {
 *     allow: {
 *       "pypi.org": {},
 *       "*.pythonhosted.org": {},
 *       "api.example.com": { paths: ["/v1/**"], headers: { authorization } },
 *     },
 *   },
 * })
 */
export const egressBroker = (
  options: EgressBrokerOptions = {},
): Layer.Layer<EgressBroker, InvalidInput> =>
  Layer.effect(
    EgressBroker,
    Effect.gen(function* () {
      const { askTimeout, source } = yield* check(options)
      // Certificates and TLS are loaded with the first sandbox that has rules.
      const parts = Effect.promise(() => import("./parts.ts"))
      const { ask, onAttempt, hosts, ca } = options
      return EgressBroker.of({
        check: (rules) =>
          Effect.flatMap(parts, ({ parseRules }) => Effect.asVoid(parseRules(rules))),
        make: Effect.fn("EgressBroker.make")(function* (rules, sandbox) {
          const { makeWayOut, Placeholders } = yield* parts
          // A placeholder of one sandbox is worthless in another.
          const own = createHmac("sha256", source).update(sandbox).digest()
          const placeholders = new Placeholders(own)
          return yield* makeWayOut(rules, sandbox, {
            ...{ ask, askTimeout, onAttempt, hosts, ca, placeholders },
          })
        }),
      })
    }),
  )
