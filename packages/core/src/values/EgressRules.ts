import { Effect, type Redacted, Schema } from "effect"
import { InvalidInput, invalidInput } from "../errors.ts"
import { EgressPolicy } from "./Egress.ts"

/** A secret. In `Redacted`, no log shows it. */
export type EgressSecret = string | Redacted.Redacted<string>

/** The allowed requests to a destination, and the headers and secrets to add. The first matching rule of a destination decides. */
export interface EgressRule {
  /** HTTP methods: any by default. */
  readonly methods?: ReadonlyArray<string> | undefined
  /**
   * Paths: `/v1/models`, `/repos/*` (one part), `/repos/**` (all below); any by default. They are compared decoded, but for
   * encoded slashes (`%2F`). `deny` and `ask` also match another case, parameters (`;…`), and slashes, dots and spaces at the end.
   */
  readonly paths?: ReadonlyArray<string> | undefined
  /** `ask` lets the program decide about each request. Default: `allow`. */
  readonly action?: "allow" | "deny" | "ask" | undefined
  /** Headers that are set on each request, replacing its own of the same name. The values never enter the sandbox. */
  readonly headers?: Readonly<Record<string, EgressSecret>> | undefined
  /**
   * Secrets by the names of environment variables. In the sandbox each variable holds a placeholder. In the headers of requests
   * to this destination the proxy replaces the placeholder by the secret; anywhere else the placeholder is useless.
   */
  readonly secrets?: Readonly<Record<string, EgressSecret>> | undefined
  /** The maximum number of requests. Default: unlimited. */
  readonly maxRequests?: number | undefined
  /** The maximum number of bytes, of requests and responses together, with their headers. Default: unlimited. */
  readonly maxBytes?: number | undefined
}

/**
 * The destinations that a sandbox can reach, and the requests that it can make there. Everything else is refused. This program forwards
 * the sandbox's requests, checks each of them, and adds keys that the sandbox never holds.
 *
 * @example
 * import type { EgressRules } from "@cordon/core"
 *
 * const egress: EgressRules = {
 *   allow: {
 *     "pypi.org": {},
 *     "api.example.com": { paths: ["/v1/**"], headers: { authorization: "Bearer …" } },
 *   },
 * }
 */
export interface EgressRules {
  /**
   * Rules by destination: `pypi.org`, `*.example.com` (every name below it), `registry.example.com:5000`, `*` (every name);
   * ports 80 and 443 if none is named. If several match, the longest name decides.
   */
  readonly allow: Readonly<Record<string, EgressRule | ReadonlyArray<EgressRule>>>
  /** Restricts `allow` to the destinations on this list. Default: all of them. */
  readonly only?: ReadonlyArray<string> | undefined
  /** Ranges of private addresses that allowed names may resolve to, such as `10.20.0.0/16`. Default: none. Link-local addresses are never allowed. */
  readonly allowAddresses?: ReadonlyArray<string> | undefined
  /** Ranges of addresses that no name may resolve to, such as `203.0.113.0/24`. They take precedence over all that is allowed. Default: none. */
  readonly denyAddresses?: ReadonlyArray<string> | undefined
  /**
   * Whether programs that use no proxy also reach the destinations, by name: by TLS, HTTP, and PostgreSQL with TLS. Inside, the exact
   * names of the rules then lead to 127.0.0.1, and no program can listen on their ports. Default: false.
   */
  readonly transparent?: boolean | undefined
}

/** Whether a value is egress rules, not a list of destinations or another value. */
export const isEgressRules = (egress: unknown): egress is EgressRules =>
  typeof egress === "object" &&
  egress !== null &&
  "allow" in egress &&
  typeof egress.allow === "object" &&
  egress.allow !== null &&
  !Array.isArray(egress.allow)

const decodeList = Schema.decodeUnknownEffect(EgressPolicy)

/**
 * Checks a list of destinations. Accepts all rules, which the broker checks: a schema's error repeats the refused value, and
 * rules may contain keys.
 */
export const checkEgress = (
  subject: string,
  given: unknown,
): Effect.Effect<EgressPolicy | EgressRules, InvalidInput> => {
  if (isEgressRules(given)) return Effect.succeed(given)
  const isList =
    typeof given === "object" &&
    given !== null &&
    "allow" in given &&
    Array.isArray(given.allow) &&
    given.allow.every((destination: unknown) => typeof destination === "string")
  return isList
    ? Effect.mapError(decodeList(given), invalidInput(subject))
    : Effect.fail(
        new InvalidInput({
          subject,
          issue:
            'it must have `allow`: an array of destinations such as ["pypi.org"], or an object with a rule for each, such as { "pypi.org": {} }',
        }),
      )
}
