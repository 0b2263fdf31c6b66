import { beyondEgress, type EgressPolicy, leadsTo } from "../values/Egress.ts"
import { type EgressRules, isEgressRules } from "../values/EgressRules.ts"

/** The destinations and addresses of rules, without methods, paths and headers. */
export const destinationsOf = (egress: EgressPolicy | EgressRules): EgressPolicy => ({
  allow: isEgressRules(egress) ? Object.keys(egress.allow) : egress.allow,
  ...(egress.allowAddresses && { allowAddresses: egress.allowAddresses }),
})

/** The operator's rules, restricted to the destinations of a list. A destination that only the ceiling allows has no rule. */
const narrow = (rules: EgressRules, list: EgressPolicy): EgressRules => {
  const known = Object.keys(rules.allow)
  const beside = list.allow.filter((to) => !known.some((wide) => leadsTo(wide, to)))
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
