import { beyondEgress, type EgressPolicy, eachPort, leadsTo, meetingOf } from "../values/Egress.ts"
import { type EgressRules, isEgressRules } from "../values/EgressRules.ts"

/** What rules lead to: all of `allow`, or what `allow` and `only` both lead to. Rules may be unchecked here: an invalid `only` allows nothing. */
const reachOf = ({ allow, only }: EgressRules): ReadonlyArray<string> => {
  const all = Object.keys(allow)
  if (only === undefined) return all
  const chosen = Array.isArray(only) ? only.filter((to) => typeof to === "string") : []
  const both = all.flatMap((one) => chosen.map((other) => meetingOf(one, other)))
  return [...new Set(both.filter((to) => to !== undefined))]
}

/** The destinations and addresses of rules, without methods, paths and headers. */
export const destinationsOf = (egress: EgressPolicy | EgressRules): EgressPolicy => ({
  allow: isEgressRules(egress) ? reachOf(egress) : egress.allow,
  ...(egress.allowAddresses && { allowAddresses: egress.allowAddresses }),
})

/**
 * The operator's rules, restricted to the destinations of a list. What only the ceiling allows gets a rule without conditions, for
 * the ports that no rule of the operator covers. At the other ports its longer name would take precedence over the operator's rules.
 */
const narrow = (rules: EgressRules, list: EgressPolicy): EgressRules => {
  const known = Object.keys(rules.allow)
  const beside = list.allow.flatMap((to) => {
    const ports = eachPort(to)
    const open = ports.filter((at) => !known.some((wide) => leadsTo(wide, at)))
    return open.length === ports.length ? [to] : open
  })
  return {
    allow: { ...Object.fromEntries(beside.map((to) => [to, {}])), ...rules.allow },
    only: list.allow,
    allowAddresses: list.allowAddresses,
    denyAddresses: rules.denyAddresses,
    transparent: rules.transparent,
  }
}

/** The requested destinations that the ceiling does not allow, and the ceiling. */
export interface Beyond {
  readonly asked: ReadonlyArray<string>
  readonly allowed: ReadonlyArray<string>
}

/**
 * Compares requested egress with the operator's own and with a ceiling of destinations. If the operator has rules, a requested list
 * selects some of their destinations. Requested rules replace the operator's, because only a program can write rules, never a model.
 */
export const withinCeiling = (
  asked: EgressPolicy | EgressRules,
  own: EgressPolicy | EgressRules | undefined,
  ceiling: EgressPolicy | undefined,
): EgressPolicy | EgressRules | Beyond => {
  if (ceiling === undefined) return asked
  const wanted = destinationsOf(asked)
  const allowed = [...ceiling.allow, ...(ceiling.allowAddresses ?? [])]
  const beyond = beyondEgress(wanted, ceiling)
  if (beyond.length > 0) return { asked: beyond, allowed }
  if (own === undefined || !isEgressRules(own)) return asked
  if (!isEgressRules(asked)) return narrow(own, asked)
  const denyAddresses = [...(own.denyAddresses ?? []), ...(asked.denyAddresses ?? [])]
  return { ...asked, denyAddresses }
}
