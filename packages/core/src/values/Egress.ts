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
  /** Where the sandbox may go; nowhere if it is empty. */
  allow: Schema.Array(Destination),
  /**
   * Private addresses that an allowed name may lead to; none by default, so that no name leads into
   * the host's own network. Link-local ones, where clouds keep credentials, never.
   */
  allowAddresses: Schema.optionalKey(Schema.Array(AddressRange)),
})
export type EgressPolicy = typeof EgressPolicy.Type

/**
 * A destination taken apart; no port means 80 and 443. `*`, which stands for every name in rules, is all that is below the
 * empty name.
 */
export const parseDestination = (
  text: string,
): {
  /** The name or address, without `*.`; empty for `*`. */
  readonly domain: string
  /** Whether it stands for all names below `domain`, and not for `domain` itself. */
  readonly below: boolean
  /** Undefined where the destination names none. */
  readonly port: number | undefined
} => {
  const [name = "", port] = text.split(":")
  return {
    domain: name.replace(/^\*(?:\.|$)/, ""),
    below: name.startsWith("*"),
    port: port === undefined ? undefined : Number(port),
  }
}

type Parsed = ReturnType<typeof parseDestination>

const holdsName = (out: Parsed, into: Parsed) =>
  out.below
    ? out.domain === "" ||
      into.domain.endsWith(`.${out.domain}`) ||
      (into.below && into.domain === out.domain)
    : !into.below && into.domain === out.domain

const holdsPort = (out: Parsed, into: Parsed) =>
  out.port === undefined
    ? into.port === undefined || into.port === 80 || into.port === 443
    : out.port === into.port

/** Whether the first destination covers all that the second one covers. */
export const leadsTo = (wide: string, narrow: string): boolean => {
  const [out, into] = [parseDestination(wide), parseDestination(narrow)]
  return holdsPort(out, into) && holdsName(out, into)
}

/** The same name with another port. */
const atPort = (destination: string, port: number | undefined): string => {
  const [name = ""] = destination.split(":")
  return port === undefined ? name : `${name}:${port}`
}

/** What two destinations both cover; undefined if they have nothing in common. */
export const meetingOf = (one: string, other: string): string | undefined => {
  const [a, b] = [parseDestination(one), parseDestination(other)]
  const name = holdsName(a, b) ? other : holdsName(b, a) ? one : undefined
  const port = holdsPort(a, b) ? b : holdsPort(b, a) ? a : undefined
  return name === undefined || port === undefined ? undefined : atPort(name, port.port)
}

/** A destination, taken apart into one for each port. */
export const eachPort = (destination: string): ReadonlyArray<string> =>
  parseDestination(destination).port === undefined
    ? [80, 443].map((port) => atPort(destination, port))
    : [destination]

const rangeOf = (text: string) => {
  const [address = "", bits = "32"] = text.split("/")
  const value = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0)
  const size = 2 ** (32 - Number(bits))
  return { first: value - (value % size), size }
}

const holds = (wide: string, narrow: string): boolean => {
  const [out, into] = [rangeOf(wide), rangeOf(narrow)]
  return out.first <= into.first && into.first + into.size <= out.first + out.size
}

/** The parts of one allow-list that lead somewhere where none of another does. */
export const beyondEgress = (
  asked: EgressPolicy,
  { allow, allowAddresses = [] }: EgressPolicy,
): ReadonlyArray<string> => [
  ...asked.allow.filter((to) => !allow.some((wide) => leadsTo(wide, to))),
  ...(asked.allowAddresses ?? []).filter((to) => !allowAddresses.some((wide) => holds(wide, to))),
]

/** Addresses outside 169.254.0.0/16 at which clouds serve metadata and credentials. No sandbox with a list or rules reaches them. */
export const metadataAddresses: ReadonlyArray<string> = [
  // Azure's WireServer, Alibaba, Oracle, and AWS and Google Cloud over IPv6.
  "168.63.129.16",
  "100.100.100.200",
  "192.0.0.192",
  "fd00:ec2::254",
  "fd20:ce::254",
]

/** An attempt of a sandbox to get out, under an allow-list or rules. It never tells what was said. */
export interface EgressAttempt {
  /** When it began. */
  readonly at: Date
  /** A name or an address, as the sandbox gave it. */
  readonly host: string
  /** The port that it asked for. */
  readonly port: number
  /** Of a request that was looked at; absent where only the destination was. */
  readonly method?: string | undefined
  /** The path of a request that was looked at, without its query. */
  readonly path?: string | undefined
  /** Whether the list, or the rules, allowed it. */
  readonly allowed: boolean
  /**
   * `refused` by the list or the rules, `failed` on the way, `ended` by rules that changed or by a limit, else `done`. A list
   * tells only of `refused` and `done`.
   */
  readonly outcome: "done" | "refused" | "failed" | "ended"
  /** Why it was not done. */
  readonly reason?: string | undefined
  /** The HTTP status that came back. */
  readonly status?: number | undefined
  /** Bytes of content to the destination; absent where nobody counted. */
  readonly sent?: number | undefined
  /** Bytes of content from the destination; absent where nobody counted. */
  readonly received?: number | undefined
}
