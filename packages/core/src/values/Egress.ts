import { Schema } from "effect"

const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
const destination = new RegExp(`^(?:\\*\\.)?(?:${label}\\.)+${label}(?::\\d{1,5})?$`)
const looksLikeAddress = /^[\d.]+(?::\d+)?$/

const portOf = (text: string) => Number(/:(\d+)$/.exec(text)?.[1] ?? 443)

/**
 * Where a sandbox may go: `pypi.org`, `*.pythonhosted.org` (every name below it, not itself),
 * `registry.example.com:5000`. Without a port: 80 and 443. Addresses are no names.
 */
export const Destination = Schema.String.pipe(
  Schema.check(
    Schema.isMaxLength(260),
    Schema.makeFilter(
      (text: string) =>
        destination.test(text) &&
        !looksLikeAddress.test(text) &&
        portOf(text) >= 1 &&
        portOf(text) <= 65_535,
      {
        expected:
          "a lower-case domain name such as pypi.org, *.pythonhosted.org or registry.example.com:5000",
      },
    ),
  ),
  Schema.annotate({ title: "Destination" }),
)
export type Destination = typeof Destination.Type

const byte = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
const AddressRange = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(new RegExp(`^${byte}(?:\\.${byte}){3}/(?:[89]|[12]\\d|3[0-2])$`), {
      expected: "an IPv4 range of /8 or smaller, such as 10.20.0.0/16",
    }),
  ),
)

/**
 * An allow-list of destinations, enforced outside the sandbox, which has no other way out: no
 * address, no other protocol and no name lookup gets past it. HTTP and TLS go through a proxy that
 * the usual environment variables (`HTTPS_PROXY` and its like) name.
 */
export const EgressPolicy = Schema.Struct({
  allow: Schema.Array(Destination),
  /**
   * Private addresses that an allowed name may lead to; none by default, so that no name leads into
   * the host's own network. Link-local ones, where clouds keep credentials, never.
   */
  allowAddresses: Schema.optionalKey(Schema.Array(AddressRange)),
})
export type EgressPolicy = typeof EgressPolicy.Type

/** A destination taken apart; no port means 80 and 443. */
export const parseDestination = (
  text: Destination,
): { readonly domain: string; readonly below: boolean; readonly port: number | undefined } => {
  const [name = "", port] = text.split(":")
  return {
    domain: name.replace(/^\*\./, ""),
    below: name.startsWith("*."),
    port: port === undefined ? undefined : Number(port),
  }
}

/** Somewhere that a sandbox tried to go under an allow-list. */
export interface EgressAttempt {
  readonly at: Date
  /** A name or an address, as the sandbox gave it. */
  readonly host: string
  readonly port: number
  readonly allowed: boolean
}
