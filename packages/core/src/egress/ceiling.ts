import { beyondEgress, type EgressPolicy, leadsTo } from "../values/Egress.ts"
import { type EgressRules, isEgressRules } from "./EgressRules.ts"

/** The destinations and addresses of rules, without what may be done there. */
export const destinationsOf = (egress: EgressPolicy | EgressRules): EgressPolicy => ({
  allow: isEgressRules(egress) ? Object.keys(egress.allow) : egress.allow,
  ...(egress.allowAddresses && { allowAddresses: egress.allowAddresses }),
})

/** The operator's rules for the destinations of a list alone. A destination that the operator allows beside them has no rule. */
const narrow = (rules: EgressRules, list: EgressPolicy): EgressRules => {
  const known = Object.keys(rules.allow)
  const beside = list.allow.filter((to) => !known.some((wide) => leadsTo(wide, to)))
  return {
    allow: { ...Object.fromEntries(beside.map((to) => [to, {}])), ...rules.allow },
    only: list.allow,
    allowAddresses: list.allowAddresses,
    denyAddresses: rules.denyAddresses,
  }
}

/** What is asked for and goes beyond a ceiling, with the ceiling. */
export interface Beyond {
  readonly asked: ReadonlyArray<string>
  readonly allowed: ReadonlyArray<string>
}

/**
 * Holds a way out that is asked for against the operator's own and a ceiling of destinations. Where the operator has rules, a
 * list chooses among their destinations. Rules take their place: a program writes them, and no model can.
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
