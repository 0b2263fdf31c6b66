import { type Resolver, lookup as resolve } from "node:dns/promises"
import { isIP, type LookupFunction } from "node:net"
import { metadataAddresses } from "@cordon/core"
import ipaddr from "ipaddr.js"
import type { Policy } from "./policy.ts"

/** A name resolves to an address that sandboxes may not connect to. */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused"
  constructor(host: string, address: string) {
    super(`${host} leads to ${address}, which no rule opens`)
  }
}

export type Range = readonly [address: ipaddr.IPv4 | ipaddr.IPv6, bits: number]

export const parseRange = (text: string): Range | undefined => {
  try {
    const range = ipaddr.parseCIDR(text)
    // A number that begins with 0 is octal here, and decimal where ranges are compared with the settings.
    return range[0].kind() === "ipv6" || range.join("/") === text ? range : undefined
  } catch {
    return undefined
  }
}

const matches = (address: ipaddr.IPv4 | ipaddr.IPv6, [base, bits]: Range) =>
  address.kind() === base.kind() && address.match(base, bits)

const wellKnownNat64 = ipaddr.IPv6.parseCIDR("64:ff9b::/96")
const globalUnicast = ipaddr.IPv6.parseCIDR("2000::/3")
const metadata = new Set(metadataAddresses.map((text) => ipaddr.parse(text).toString()))

/** The IPv4 address inside an IPv6 address that maps or tunnels to it. The rules apply to that address. */
const meant = (address: ipaddr.IPv4 | ipaddr.IPv6): ipaddr.IPv4 | ipaddr.IPv6 => {
  if (!(address instanceof ipaddr.IPv6)) return address
  if (address.isIPv4MappedAddress()) return address.toIPv4Address()
  const bytes = address.toByteArray()
  // In NAT64's well-known prefix it is at the end, in 6to4 after the first two bytes. Addresses in a
  // network's own prefix for NAT64 count as private.
  if (address.match(wellKnownNat64)) return new ipaddr.IPv4(bytes.slice(12))
  if (address.range() === "6to4") return new ipaddr.IPv4(bytes.slice(2, 6))
  return address
}

const isPublic = (address: ipaddr.IPv4 | ipaddr.IPv6) =>
  address.range() === "unicast" &&
  (!(address instanceof ipaddr.IPv6) || address.match(globalUnicast))

/**
 * Whether a sandbox may connect to an address: a public one, or a private one within the ranges.
 * Never one where clouds serve credentials, such as a link-local one.
 */
export const isOpen = (
  text: string,
  ranges: ReadonlyArray<Range>,
  denied: ReadonlyArray<Range> = [],
): boolean => {
  if (!ipaddr.isValid(text)) return false
  const address = meant(ipaddr.parse(text))
  if (denied.some((range) => matches(address, range))) return false
  if (address.range() === "linkLocal" || metadata.has(address.toString())) return false
  if (isPublic(address)) return true
  return ranges.some((range) => matches(address, range))
}

interface Address {
  readonly address: string
  readonly family: number
}

/** Asks the machine's resolver, with all that it is configured for (`/etc/hosts`, for example). */
const askSystem = (host: string): Promise<ReadonlyArray<Address>> => resolve(host, { all: true })

/** Asks the name servers, without a thread of the program's pool. */
const askServers = async (host: string, resolver: Resolver): Promise<ReadonlyArray<Address>> => {
  const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
  if (four.status === "rejected" && six.status === "rejected") throw four.reason
  const found = (family: number, answer: PromiseSettledResult<Array<string>>) =>
    answer.status === "fulfilled" ? answer.value.map((address) => ({ address, family })) : []
  return [...found(4, four), ...found(6, six)]
}

/**
 * Resolves a name, and returns an address only if all of the name's addresses are open. The
 * connection goes to the checked address, even if the name resolves to another one a moment later.
 *
 * The system's resolver gets exact names of the rules only. It works on two threads that the whole program
 * shares, and code inside may own a name server, for names below a wildcard, that does not answer.
 *
 * @param hosts addresses by name, for names that the resolver does not know
 */
export const lookupOpen =
  (
    { ranges, denied, entries }: Pick<Policy, "ranges" | "denied" | "entries">,
    hosts: Readonly<Record<string, string>>,
    resolver: Resolver,
  ): LookupFunction =>
  (host, options, callback) => {
    const judge = (addresses: ReadonlyArray<Address>) => {
      const closed = addresses.find(({ address }) => !isOpen(address, ranges, denied))
      const [first] = addresses
      if (closed !== undefined || first === undefined) {
        return callback(new AddressRefused(host, closed?.address ?? "nothing"), "", 0)
      }
      if (options.all === true) return callback(null, [...addresses])
      return callback(null, first.address, first.family)
    }
    const known = Object.hasOwn(hosts, host) ? hosts[host] : undefined
    if (known !== undefined) return judge([{ address: known, family: isIP(known) }])
    const isNamed = entries.some(({ below, domain }) => !below && domain === host)
    const asked = isNamed ? askSystem(host) : askServers(host, resolver)
    asked.then(judge, (error) => callback(error, "", 0))
  }
