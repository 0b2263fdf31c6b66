import { Effect, type Redacted, Schema } from "effect"
import { InvalidInput, invalidInput } from "../errors.ts"
import { EgressPolicy } from "../values/Egress.ts"

/** A secret; wrapped in `Redacted` it is shown in no log. */
export type EgressSecret = string | Redacted.Redacted<string>

/** What may be done at a destination, and what is added to it. The first rule of a destination that fits decides. */
export interface EgressRule {
  /** HTTP methods: any by default. */
  readonly methods?: ReadonlyArray<string> | undefined
  /** Paths: `/v1/models`, `/repos/*` (one part), `/repos/**` (all below); any by default. */
  readonly paths?: ReadonlyArray<string> | undefined
  /** `allow` by default. `ask` has the program decide about each request. */
  readonly action?: "allow" | "deny" | "ask" | undefined
  /** Headers that each request gets, in place of its own of that name. The values never enter the sandbox. */
  readonly headers?: Readonly<Record<string, EgressSecret>> | undefined
  /**
   * Secrets by the names of environment variables. A program inside finds a placeholder there, which is worth nothing
   * anywhere else; in headers of its requests to this destination the secret takes its place.
   */
  readonly secrets?: Readonly<Record<string, EgressSecret>> | undefined
  /** Requests in all; unlimited by default. */
  readonly maxRequests?: number | undefined
  /** Bytes in all, of requests and responses together; unlimited by default. */
  readonly maxBytes?: number | undefined
}

/**
 * Where a sandbox may go and what it may do there, all else being refused. This program is its way out: it looks at each
 * request, and adds the keys that the sandbox never holds.
 *
 * @example
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
   * ports 80 and 443 where none is named. The longest name decides where several fit.
   */
  readonly allow: Readonly<Record<string, EgressRule | ReadonlyArray<EgressRule>>>
  /** Of all these destinations only those on this list. All of them by default. */
  readonly only?: ReadonlyArray<string> | undefined
  /** Ranges of private addresses that allowed names may lead to: `10.20.0.0/16`. None by default, link-local ones never. */
  readonly allowAddresses?: ReadonlyArray<string> | undefined
  /** Ranges of addresses that no name may lead to, whatever allows them: `203.0.113.0/24`. None by default. */
  readonly denyAddresses?: ReadonlyArray<string> | undefined
}

/** Tells rules from a list of destinations, and from anything else. */
export const isEgressRules = (egress: unknown): egress is EgressRules =>
  typeof egress === "object" &&
  egress !== null &&
  "allow" in egress &&
  typeof egress.allow === "object" &&
  egress.allow !== null &&
  !Array.isArray(egress.allow)

const decodeList = Schema.decodeUnknownEffect(EgressPolicy)

/**
 * Checks a list of destinations, and passes rules on: the broker checks those. A schema's error repeats the refused value, so
 * it must not see a value that may contain a key.
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
