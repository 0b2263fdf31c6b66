import { createHash, timingSafeEqual } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import { InvalidInput } from "@cordon/core"
import { validateHostHeader } from "@modelcontextprotocol/server"
import { Effect } from "effect"

/** The clients that may talk to a server over HTTP. */
export interface GuardOptions {
  /** An address or name of this machine; `127.0.0.1` by default, which other machines can't reach. */
  readonly host?: string
  /** What clients must send as `Authorization: Bearer ...`; needed wherever `host` is not loopback. */
  readonly token?: string | undefined
  /**
   * Names in a request's `Host` header that are answered, without ports. On loopback the names of
   * loopback: a web page can't reach the server through a name of its own (DNS rebinding).
   * Elsewhere any, unless given: there the token is what keeps web pages out.
   */
  readonly allowedHosts?: ReadonlyArray<string>
  /** Web pages that may call, such as `https://app.example.com`; none by default. */
  readonly allowedOrigins?: ReadonlyArray<string>
}

/** Tells whether a request may go on. If not, it has been answered. */
export type Guard = (request: IncomingMessage, response: ServerResponse) => boolean

const loopback = ["localhost", "127.0.0.1", "[::1]"]

const isLoopback = (host: string) => /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/.test(host)

const shortestToken = 16

const hostPattern = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/
const methods = ["GET", "POST", "DELETE", "OPTIONS"]

export const makeGuard = ({
  host = "127.0.0.1",
  token,
  allowedHosts = isLoopback(host) ? [...loopback, host] : undefined,
  allowedOrigins = [],
}: GuardOptions): Effect.Effect<Guard, InvalidInput> => {
  if (token === undefined && !isLoopback(host)) {
    const issue = `${host} can be reached from other machines: give a token that clients must send, or serve on 127.0.0.1.`
    return Effect.fail(new InvalidInput({ subject: "host", issue }))
  }
  if (token !== undefined && token.length < shortestToken) {
    const issue = `it must have at least ${shortestToken} characters; \`openssl rand -hex 32\` makes a good one.`
    return Effect.fail(new InvalidInput({ subject: "token", issue }))
  }
  return Effect.succeed((request, response) => {
    const named = request.headers.host ?? ""
    // A URL would accept more as its host, such as `user@localhost` or `localhost:99999`.
    if (!hostPattern.test(named) || !URL.canParse(`http://${named}`)) {
      return refuse(response, 400, "The Host header must be a name or an address with a port")
    }
    const valid = allowedHosts === undefined || validateHostHeader(named, [...allowedHosts]).ok
    if (!valid) return refuse(response, 403, `Host ${named.slice(0, 100)} is not allowed`)
    if (!methods.includes(request.method ?? "")) {
      response.setHeader("Allow", methods.join(", "))
      return refuse(
        response,
        405,
        `MCP does not use ${request.method} requests; use POST, GET or DELETE`,
      )
    }
    const { origin } = request.headers
    if (origin !== undefined) {
      if (!allowedOrigins.includes(origin)) {
        return refuse(response, 403, `Origin ${origin.slice(0, 100)} is not allowed`)
      }
      for (const [name, value] of Object.entries(corsHeaders(origin))) {
        response.setHeader(name, value)
      }
      // A browser sends this request first, without the token.
      if (request.method === "OPTIONS") {
        response.writeHead(204).end()
        return false
      }
    }
    if (token !== undefined && !sameSecret(request.headers.authorization, `Bearer ${token}`)) {
      response.setHeader("WWW-Authenticate", "Bearer")
      return refuse(response, 401, "Send the server's token: Authorization: Bearer TOKEN")
    }
    return true
  })
}

const corsHeaders = (origin: string) => ({
  "Access-Control-Allow-Origin": origin,
  "Access-Control-Allow-Methods": "GET, POST, DELETE",
  "Access-Control-Allow-Headers":
    "Authorization, Content-Type, Last-Event-ID, Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Mcp-Session-Id",
  "Access-Control-Expose-Headers": "Mcp-Session-Id",
  Vary: "Origin",
})

/** Compares in constant time, so that the time tells nothing about the secret. */
const sameSecret = (given: string | undefined, expected: string) => {
  const digest = (text: string) => createHash("sha256").update(text).digest()
  return timingSafeEqual(digest(given ?? ""), digest(expected))
}

/** Answers with a JSON-RPC error, which MCP clients can read, and closes the connection. */
export const refuse = (response: ServerResponse, status: number, message: string): false => {
  response.writeHead(status, { "Content-Type": "application/json", Connection: "close" })
  response.end(JSON.stringify(rpcError(message)))
  return false
}

export const rpcError = (message: string, code = -32000) => ({
  jsonrpc: "2.0",
  error: { code, message },
  id: null,
})
