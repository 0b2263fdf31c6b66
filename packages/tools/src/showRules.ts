import type { EgressRule, EgressRules } from "@cordon/core"

// A limit, so that a long list does not fill a model's context.
const most = 50

/** A list for a model, cut if it is long. */
export const cutShort = (all: ReadonlyArray<string>): ReadonlyArray<string> =>
  all.length > most ? [...all.slice(0, most), `and ${all.length - most} more`] : all

const showRule = ({ methods, paths, action }: EgressRule): string => {
  const parts = [
    ...(methods === undefined ? [] : [methods.join("/")]),
    ...(paths === undefined ? [] : [paths.join(", ")]),
    ...(action === "ask" ? ["each request is asked about"] : []),
  ]
  return parts.length === 0 ? "" : ` (${parts.join(" ")})`
}

const isOpen = ({ action }: EgressRule) => action !== "deny"

/** Destinations that rules open, with what may be done there: `api.example.com (GET /v1/**)`. No secret is part of it. */
export const showRules = ({ allow, only }: EgressRules): ReadonlyArray<string> => {
  const shown = Object.entries(allow).flatMap(([destination, given]) => {
    const rules = [given].flat().filter(isOpen)
    return rules.length === 0 ? [] : [`${destination}${showRule(rules[0] ?? {})}`]
  })
  return cutShort(only ?? shown)
}
