import type { HarnessV1NetworkPolicy, HarnessV1NetworkSandboxSession } from "@ai-sdk/harness"
import { type EgressRule, type EgressRules, InvalidInput, type PromiseSandbox } from "@cordon/core"

type Transformation = Parameters<
  NonNullable<HarnessV1NetworkSandboxSession["addRequestTransformations"]>
>[0][number]

/** The part of a session with which a harness changes the network of its sandbox. */
export type HarnessNetwork = Pick<
  HarnessV1NetworkSandboxSession,
  "setNetworkPolicy" | "setRequestTransformations" | "addRequestTransformations"
>

const invalid = (subject: string, issue: string) => new InvalidInput({ subject, issue })

/** Rejecting is safe where passing over a policy is not: a caller would take the network for closed. */
const checkPolicy = ({ info: { network } }: PromiseSandbox, { mode }: HarnessV1NetworkPolicy) => {
  if (mode === "deny-all" && network !== "bridge") return
  throw invalid(
    "network policy",
    `the network of this sandbox is ${JSON.stringify(network)} for as long as it lives; create it with rules (egress) to change them later`,
  )
}

const rulesOfPolicy = (policy: HarnessV1NetworkPolicy): EgressRules => {
  if (policy.mode === "allow-all") return { allow: { "*": {} } }
  if (policy.mode === "deny-all") return { allow: {} }
  const { allowedHosts = [], allowedCIDRs = [], deniedCIDRs } = policy
  if (allowedCIDRs.length > 0) {
    throw invalid(
      "network policy",
      "allowedCIDRs can't be had: programs go out by the names of hosts; name these in allowedHosts",
    )
  }
  return {
    allow: Object.fromEntries(allowedHosts.map((host) => [host, {}])),
    denyAddresses: deniedCIDRs,
  }
}

/** A rule that adds a transformation's headers to the requests that it is about. */
const ruleOf = ({ match, transform }: Transformation): EgressRule => {
  const { path, method, queryString = [], headers = [] } = match
  if (queryString.length > 0 || headers.length > 0 || (path !== undefined && "regex" in path)) {
    throw invalid(
      "request transformation",
      `what it matches by query, headers or a regular expression can't be had (${match.host}); match by host, method, and a path or its beginning`,
    )
  }
  return {
    methods: method,
    paths: path && ["exact" in path ? path.exact : `${path.startsWith}**`],
    headers: transform.headers,
  }
}

/** How closely a rule's destination matches a host; 0 if it does not match. */
const closeness = (destination: string, host: string): number => {
  if (destination === host) return 2
  if (destination.startsWith("*.") && host.endsWith(destination.slice(1))) {
    return 1 + destination.length / 1000
  }
  return destination === "*" ? 1 : 0
}

/** The rules of a host; undefined where it is closed. */
const rulesAt = ({ allow }: EgressRules, host: string) => {
  const [best] = Object.entries(allow)
    .map(([to, rule]) => ({ rule, closeness: closeness(to, host) }))
    .filter(({ closeness }) => closeness > 0)
    .sort((a, b) => b.closeness - a.closeness)
  return best?.rule
}

/**
 * Adds transformations to the rules of the policy. They only add headers and allow no host: a host
 * that the policy does not allow stays closed, and a host with its own rules keeps them.
 */
const withTransformations = (
  rules: EgressRules,
  transformations: ReadonlyArray<Transformation>,
): EgressRules => {
  const added = [...Map.groupBy(transformations, ({ match }) => match.host)].flatMap(
    ([host, all]) => {
      const own = rulesAt(rules, host)
      if (own === undefined) return []
      if (Object.keys(own).length > 0) {
        throw invalid(
          "request transformation",
          `${host} has rules of its own; put its headers there`,
        )
      }
      return [[host, [...all.map(ruleOf), {}]] as const]
    },
  )
  return { ...rules, allow: { ...rules.allow, ...Object.fromEntries(added) } }
}

/**
 * The network access of a harness's sandbox. It can be changed if this program is the sandbox's
 * egress, else not. Keys are added outside and never enter the sandbox.
 */
export const networkOf = (sandbox: PromiseSandbox): HarnessNetwork => {
  const { egress } = sandbox
  const initial = egress.rules
  if (initial === undefined) {
    return { setNetworkPolicy: async (policy) => checkPolicy(sandbox, policy) }
  }
  let rules = initial
  let transformations: ReadonlyArray<Transformation> = []
  const change = async (next: EgressRules, added: ReadonlyArray<Transformation>) => {
    await egress.update(withTransformations(next, added))
    rules = next
    transformations = added
  }
  return {
    setNetworkPolicy: async (policy) =>
      change({ ...rulesOfPolicy(policy), transparent: initial.transparent }, transformations),
    setRequestTransformations: async (all) => change(rules, all),
    addRequestTransformations: async (more) => change(rules, [...transformations, ...more]),
  }
}
