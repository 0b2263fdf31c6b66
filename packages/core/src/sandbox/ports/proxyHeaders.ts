import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http"

// They belong to one connection, and mean nothing to the other end of another one (RFC 9110, 7.6.1).
const ofConnection = new Set([
  "connection",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
])

/** The headers of a message that a proxy passes on: without those of the connection, and without HTTP/2's pseudo-headers. */
export const passedOn = (
  headers: IncomingHttpHeaders,
): ReadonlyArray<readonly [name: string, value: string | Array<string>]> => {
  const named = new Set((headers.connection ?? "").toLowerCase().split(/\s*,\s*/))
  // Without it, the body would be read as another request.
  named.delete("content-length")
  const stays = (name: string) => name.startsWith(":") || ofConnection.has(name) || named.has(name)
  return Object.entries(headers).flatMap(([name, value]) =>
    value === undefined || stays(name) ? [] : [[name, value] as const],
  )
}

/**
 * The header by which a proxy tells how long a body is, beside its `content-length`. Node would send the body of a GET without
 * either unframed, and the server would take it for another request.
 *
 * @param hasBody whether there is one; by default as HTTP/1.1 says it
 */
export const framingOf = (
  headers: IncomingHttpHeaders,
  hasBody: boolean = headers["transfer-encoding"] !== undefined,
): OutgoingHttpHeaders =>
  hasBody && headers["content-length"] === undefined ? { "transfer-encoding": "chunked" } : {}
