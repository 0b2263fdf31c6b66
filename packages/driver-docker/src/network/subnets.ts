/** IPv4 subnets as arithmetic: no I/O. */
import { InvalidInput, QuotaExceeded } from "@cordon/core"
import { Effect, Option } from "effect"
import type { NetworkSummary } from "../engine/schemas.ts"

/** A range of addresses, both ends included, as unsigned 32-bit numbers. */
export interface Range {
  /** The first address. */
  readonly first: number
  /** The last address. */
  readonly last: number
}

const addressOf = (text: string): Option.Option<number> => {
  const parts = text.split(".")
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) {
    return Option.none()
  }
  const bytes = parts.map(Number)
  if (bytes.some((byte) => byte > 255)) return Option.none()
  return Option.some(bytes.reduce((sum, byte) => sum * 256 + byte, 0))
}

/** Parses an IPv4 subnet such as `10.213.0.0/16`; none for anything else, including IPv6. */
export const parseSubnet = (cidr: string): Option.Option<Range> => {
  const [text = "", prefix = "", ...rest] = cidr.split("/")
  if (rest.length > 0 || !/^\d{1,2}$/.test(prefix) || Number(prefix) > 32) return Option.none()
  const size = 2 ** (32 - Number(prefix))
  return Option.map(addressOf(text), (address) => {
    const first = Math.floor(address / size) * size
    return { first, last: first + size - 1 }
  })
}

export const formatSubnet = (first: number, prefix: number): string =>
  `${[24, 16, 8, 0].map((shift) => (first >>> shift) & 255).join(".")}/${prefix}`

/** The address at an offset in a subnet: 6 in `10.213.0.8/29` is `10.213.0.14`. */
export const formatAddress = (subnet: string, place: number): string =>
  formatSubnet(
    Option.match(parseSubnet(subnet), { onNone: () => 0, onSome: ({ first }) => first }) + place,
    32,
  ).replace("/32", "")

/** A /29 has 8 addresses: the smallest subnet that engines handle well. */
export const sandboxPrefix = 29
const sandboxSize = 2 ** (32 - sandboxPrefix)

/** Validates the setting of the subnet pool. */
export const parsePool = (cidr: string): Effect.Effect<Range, InvalidInput> =>
  Option.match(
    Option.filter(parseSubnet(cidr), ({ first, last }) => last - first + 1 >= sandboxSize),
    {
      onSome: Effect.succeed,
      onNone: () =>
        Effect.fail(
          new InvalidInput({
            subject: "subnet pool",
            issue: `${JSON.stringify(cidr)} must be an IPv4 range of /${sandboxPrefix} or larger, such as 10.213.0.0/16`,
          }),
        ),
    },
  )

/** How many sandbox networks a pool holds. */
export const capacityOf = (pool: Range): number =>
  Math.floor((pool.last - pool.first + 1) / sandboxSize)

/** The error if no subnet of a pool is free. */
export const noSubnetLeft = (pool: Range): QuotaExceeded =>
  new QuotaExceeded({
    resource: "sandbox networks (subnets of the driver's pool)",
    limit: capacityOf(pool),
  })

/** The subnets of networks, in CIDR form. */
export const subnetsOf = (
  networks: ReadonlyArray<Pick<NetworkSummary, "IPAM">>,
): ReadonlyArray<string> =>
  networks.flatMap(({ IPAM }) => (IPAM?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? []))

/**
 * The free subnets of a pool, each once, from a starting point and wrapping around.
 *
 * @param used subnets in use, in CIDR form; others than IPv4 can't collide
 * @param start the starting point in the pool, from 0 to 1
 */
export function* freeSubnets(
  pool: Range,
  used: ReadonlyArray<string>,
  start: number,
): Generator<string> {
  const taken = used.flatMap((cidr) => Option.toArray(parseSubnet(cidr)))
  const count = capacityOf(pool)
  const offset = Math.min(count - 1, Math.floor(start * count))
  for (let step = 0; step < count; step++) {
    const first = pool.first + ((offset + step) % count) * sandboxSize
    const last = first + sandboxSize - 1
    if (!taken.some((range) => range.first <= last && first <= range.last)) {
      yield formatSubnet(first, sandboxPrefix)
    }
  }
}
