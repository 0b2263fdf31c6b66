import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http"
import { sensitiveHeaders } from "node:http2"
import { passedOn } from "@cordon/core"
import { Redacted } from "effect"
import type { Placeholders } from "./placeholders.ts"
import type { Rule } from "./policy.ts"
import { scrubText } from "./scrub.ts"

/** The secrets that a rule may add to a request. */
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

/** A request's headers for its destination. */
export const requestHeaders = (
  headers: IncomingHttpHeaders,
  host: string,
  rule: Rule,
  placeholders: Placeholders,
): OutgoingHttpHeaders => {
  const own = rule.headers.map(([name, value]) => [name, Redacted.value(value)])
  // Without compression, secrets in the response can be masked.
  const readable = secretsOf(rule).length > 0 ? { "accept-encoding": "identity" } : {}
  return {
    ...changed(headers, (text) => placeholders.fill(text, rule)),
    ...Object.fromEntries(own),
    ...readable,
    host,
  }
}

/** Converts headers of HTTP/1.1 to HTTP/2. */
export const asHttp2 = (
  { host, ...headers }: OutgoingHttpHeaders,
  request: {
    readonly method: string
    readonly path: string
    readonly te: IncomingHttpHeaders[string]
  },
  rule: Rule,
): OutgoingHttpHeaders => ({
  ...headers,
  // gRPC requests trailers with it. HTTP/2 allows no other value.
  ...(request.te === "trailers" ? { te: "trailers" } : {}),
  ":method": request.method,
  ":scheme": "https",
  ":authority": host,
  ":path": request.path,
  // Excluded from header compression: an attacker could guess a secret from how well other headers
  // compress.
  ...(secretsOf(rule).length > 0 ? { [sensitiveHeaders]: Object.keys(headers) } : {}),
})

/** A response's headers or trailers for the sandbox. */
export const responseHeaders = (headers: IncomingHttpHeaders, rule: Rule): OutgoingHttpHeaders =>
  changed(headers, (text) => scrubText(text, secretsOf(rule)))
