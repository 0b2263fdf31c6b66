import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http"
import { Redacted } from "effect"
import type { Placeholders } from "./placeholders.ts"
import type { Rule } from "./policy.ts"
import { scrubText } from "./scrub.ts"

// Of one connection, and no matter of who is at the other end of another one.
const ofConnection = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
])

const named = (connection: string | undefined) =>
  (connection ?? "").split(",").map((name) => name.trim().toLowerCase())

/** What is passed on of a message's headers. */
const passedOn = (headers: IncomingHttpHeaders): OutgoingHttpHeaders => {
  const more = new Set(named(headers.connection))
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => !name.startsWith(":") && !ofConnection.has(name) && !more.has(name),
    ),
  )
}

/** The secrets that a request of a rule may have been given. */
export const secretsOf = ({ headers, secrets }: Rule): ReadonlyArray<Redacted.Redacted<string>> => [
  ...headers.map(([, value]) => value),
  ...secrets.map(([, value]) => value),
]

/** A request's headers as its destination gets them. */
export const requestHeaders = (
  headers: IncomingHttpHeaders,
  host: string,
  rule: Rule,
  placeholders: Placeholders,
): OutgoingHttpHeaders => {
  const passed = passedOn(headers)
  const filled = Object.entries(passed).map(([name, value]) => {
    const fill = (text: string) => placeholders.fill(text, rule)
    return [
      name,
      Array.isArray(value) ? value.map(fill) : typeof value === "string" ? fill(value) : value,
    ]
  })
  const own = rule.headers.map(([name, value]) => [name, Redacted.value(value)])
  // Else a response that repeats a secret could not be seen to.
  const readable = secretsOf(rule).length > 0 ? { "accept-encoding": "identity" } : {}
  return { ...Object.fromEntries([...filled, ...own]), ...readable, host }
}

/** A response's headers as the sandbox gets them. */
export const responseHeaders = (headers: IncomingHttpHeaders, rule: Rule): OutgoingHttpHeaders => {
  const secrets = secretsOf(rule)
  const scrub = (text: string) => scrubText(text, secrets)
  return Object.fromEntries(
    Object.entries(passedOn(headers)).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(scrub) : typeof value === "string" ? scrub(value) : value,
    ]),
  )
}
