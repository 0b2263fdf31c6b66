import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http"
import { sensitiveHeaders } from "node:http2"
import { passedOn } from "@cordon/core"
import { Redacted } from "effect"
import type { Judged } from "./judged.ts"
import type { Placeholders } from "./placeholders.ts"
import { type Rule, secretsOf } from "./policy.ts"
import { needlesOf, scrubText } from "./scrub.ts"

/** The header that may have Basic credentials with a placeholder inside. */
const credentials = "authorization"

const changed = (
  headers: IncomingHttpHeaders,
  change: (text: string, name: string) => string,
): OutgoingHttpHeaders =>
  Object.fromEntries(
    passedOn(headers).map(([name, value]) => [
      name,
      typeof value === "string" ? change(value, name) : value.map((one) => change(one, name)),
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
    ...changed(headers, (text, name) =>
      name === credentials
        ? placeholders.fillCredentials(text, rule)
        : placeholders.fill(text, rule),
    ),
    ...Object.fromEntries(own),
    ...readable,
    host,
  }
}

/** The bytes that headers take, about as HTTP/1.1 sends them. */
export const sizeOf = (headers: IncomingHttpHeaders | OutgoingHttpHeaders): number =>
  Object.entries(headers).reduce(
    (sum, [name, value]) =>
      [value ?? []]
        .flat()
        .reduce<number>((all, one) => all + name.length + `${one}`.length + 4, sum),
    0,
  )

/** The headers of a request by HTTP/2. */
export const asHttp2 = (
  { headers: { host, ...headers }, method, target, hidden }: Judged,
  te: IncomingHttpHeaders[string],
): OutgoingHttpHeaders => ({
  ...headers,
  // gRPC requests trailers with it. HTTP/2 allows no other value.
  ...(te === "trailers" ? { te } : {}),
  ":method": method,
  ":scheme": "https",
  ":authority": host,
  ":path": target,
  // Excluded from header compression: an attacker could guess a secret from how well other headers
  // compress.
  ...(hidden.length > 0 ? { [sensitiveHeaders]: Object.keys(headers) } : {}),
})

/**
 * Texts that the answer to a request must not show: the rule's secrets, and Basic credentials with one
 * as they were sent, in Base64. Words that the sandbox wrote are not
 * among them: by what is masked it could guess a secret.
 */
export const hiddenIn = (
  given: IncomingHttpHeaders,
  filled: OutgoingHttpHeaders,
  rule: Rule,
): ReadonlyArray<string> => {
  const secrets = needlesOf(secretsOf(rule).map(Redacted.value))
  const sent = filled[credentials]
  if (typeof sent !== "string" || sent === given[credentials]) return secrets
  const [, token] = /^basic +(\S+)$/i.exec(sent) ?? []
  return token === undefined ? secrets : [...secrets, token]
}

/** A response's headers or trailers for the sandbox. */
export const responseHeaders = (
  headers: IncomingHttpHeaders,
  hidden: ReadonlyArray<string>,
): OutgoingHttpHeaders => changed(headers, (text) => scrubText(text, hidden))
