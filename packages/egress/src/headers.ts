import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http"
import { passedOn } from "@cordon/core"
import { Redacted } from "effect"
import type { Placeholders } from "./placeholders.ts"
import type { Rule } from "./policy.ts"
import { scrubText } from "./scrub.ts"

/** The secrets that a request of a rule may have been given. */
export const secretsOf = ({ headers, secrets }: Rule): ReadonlyArray<Redacted.Redacted<string>> => [
  ...headers.map(([, value]) => value),
  ...secrets.map(([, value]) => value),
]

const changed = (
  headers: IncomingHttpHeaders,
  change: (text: string) => string,
): OutgoingHttpHeaders =>
  Object.fromEntries(
    passedOn(headers).map(([name, value]) => [
      name,
      typeof value === "string" ? change(value) : value.map(change),
    ]),
  )

/** A request's headers as its destination gets them. */
export const requestHeaders = (
  headers: IncomingHttpHeaders,
  host: string,
  rule: Rule,
  placeholders: Placeholders,
): OutgoingHttpHeaders => {
  const own = rule.headers.map(([name, value]) => [name, Redacted.value(value)])
  // Else a response that repeats a secret could not be seen to.
  const readable = secretsOf(rule).length > 0 ? { "accept-encoding": "identity" } : {}
  return {
    ...changed(headers, (text) => placeholders.fill(text, rule)),
    ...Object.fromEntries(own),
    ...readable,
    host,
  }
}

/** A response's headers as the sandbox gets them. */
export const responseHeaders = (headers: IncomingHttpHeaders, rule: Rule): OutgoingHttpHeaders =>
  changed(headers, (text) => scrubText(text, secretsOf(rule)))
