import { type EgressRules, InvalidInput, parseDestination } from "@cordon/core"
import { Effect } from "effect"
import { type Policy, parsePolicy, rulesFor } from "./policy.ts"
import { port as proxyPort } from "./trust.ts"

// Each takes its part of the calls that a sandbox's process 1 can answer at a time.
const maxPorts = 16

/** What programs that use no proxy are led to: by names, to ports of the loopback interface. */
export interface Leads {
  readonly names: ReadonlyArray<string>
  readonly ports: ReadonlyArray<number>
}

/** Names that mean the machine itself, wherever it is (RFC 6761). */
const meansItself = (name: string) => /(?:^|\.)(?:localhost|localdomain)$/.test(name)

/** The exact names of a policy, and their ports; none if it is not transparent. */
export const leadsOf = (policy: Policy): Leads => {
  if (!policy.transparent) return { names: [], ports: [] }
  const exact = [...policy.entries, ...(policy.only ?? []).map(parseDestination)].filter(
    ({ domain, below }) => !below && !meansItself(domain),
  )
  const ways = exact.flatMap(({ domain, port }) =>
    (port === undefined ? [80, 443] : [port])
      .filter((port) => rulesFor(policy, domain, port).length > 0)
      .map((port) => ({ domain, port })),
  )
  const sorted = <A>(all: ReadonlyArray<A>) => [...new Set(all)].sort()
  return {
    names: sorted(ways.map(({ domain }) => domain)),
    ports: sorted(ways.map(({ port }) => port)),
  }
}

const invalid = (issue: string) => new InvalidInput({ subject: "egress rules", issue })

/** Validates rules, also the ports that they need inside. */
export const parseRules = Effect.fnUntraced(function* (
  rules: EgressRules,
): Effect.fn.Return<Policy, InvalidInput> {
  const policy = yield* parsePolicy(rules)
  const { ports } = leadsOf(policy)
  if (ports.includes(proxyPort)) {
    return yield* invalid(
      `transparent rules can't have a destination with port ${proxyPort}, on which the proxy listens inside`,
    )
  }
  if (ports.length > maxPorts) {
    return yield* invalid(
      `transparent rules can have destinations with ${maxPorts} ports at most; these have ${ports.length}`,
    )
  }
  return policy
})
