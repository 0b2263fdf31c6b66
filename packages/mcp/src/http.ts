import { randomUUID } from "node:crypto"
import type { CordonError, InvalidInput, Sandboxes } from "@cordon/core"
import { toNodeHandler } from "@modelcontextprotocol/node"
import { createMcpHandler, isLegacyRequest } from "@modelcontextprotocol/server"
import { Duration, Effect, type Scope } from "effect"
import { makeBoundedServer } from "./http/connections.ts"
import { type GuardOptions, makeGuard, refuse } from "./http/guard.ts"
import { listen } from "./http/listen.ts"
import { makeHttpSessions } from "./http/sessions.ts"
import { type McpOptions, openSession } from "./session.ts"

export interface HttpOptions extends McpOptions, GuardOptions {
  /** The port; the system chooses one for 0, the default. */
  readonly port?: number
  /**
   * The session of Cordon that owns the sandboxes of all clients without MCP sessions, which the protocol has no
   * more from its revision 2026-07-28 on. A random one by default.
   */
  readonly sessionId?: string | undefined
  /**
   * MCP sessions at the same time: 256. When all are open, the one that was unused for longest, of those without
   * sandboxes, is closed for a new one. Its client can begin another.
   */
  readonly maxSessions?: number
  /** Connections at the same time: 1024. Above that the oldest one that sent no permitted request is closed. */
  readonly maxConnections?: number
  /** A request must arrive within this time: 1 minute by default. Its headers must arrive within 10 seconds. */
  readonly requestTimeout?: Duration.Input
  /** A session that was unused for so long is closed: 30 minutes by default. */
  readonly sessionTimeout?: Duration.Input
}

/** Where a server can be reached. */
export interface HttpEndpoint {
  /** Where clients connect to: `http://127.0.0.1:40123/mcp`. */
  readonly url: string
}

const path = "/mcp"

/**
 * Serves MCP over streamable HTTP until the scope closes. Each MCP session has sandboxes of its own;
 * ending it (a DELETE, or the timeout) kills its commands and removes them, unless `keep` is set.
 *
 * @example
 * import { serveHttp } from "@cordon/mcp"
 *
 * const { url } = yield* serveHttp({ port: 3000 })
 * yield* Console.log(`MCP clients connect to ${url}`)
 */
export const serveHttp = Effect.fnUntraced(function* (
  options: HttpOptions = {},
): Effect.fn.Return<HttpEndpoint, InvalidInput | CordonError, Sandboxes | Scope.Scope> {
  const { host = "127.0.0.1", port = 0 } = options
  const guard = yield* makeGuard(options)
  const withoutSessions = yield* makeSharedHandler(options)
  const sessions = yield* makeHttpSessions(options, {
    maxSessions: options.maxSessions ?? 256,
    sessionTimeout: options.sessionTimeout ?? "30 minutes",
  })
  const handle = yield* makeNodeHandler(async (request) =>
    (await isLegacyRequest(request)) ? sessions.respond(request) : withoutSessions.fetch(request),
  )

  const limits = {
    maxConnections: options.maxConnections ?? 1024,
    requestTimeout: Duration.toMillis(options.requestTimeout ?? "1 minute"),
  }
  const { server, letIn } = makeBoundedServer(limits, (request, response) => {
    if (!guard(request, response)) return
    letIn(request.socket)
    if (request.url?.split("?", 1)[0] !== path) {
      refuse(response, 404, `There is nothing at this path; MCP is at ${path}`)
      return
    }
    response.once("close", sessions.use(String(request.headers["mcp-session-id"])))
    // Requests to a server always have a method and a URL.
    const { method = "GET", url = "/" } = request
    void handle(Object.assign(request, { method, url }), response)
  })
  const chosenPort = yield* listen(server, host, port)
  return { url: `http://${host.includes(":") ? `[${host}]` : host}:${chosenPort}${path}` }
})

/** Answers clients without MCP sessions. All of them share one session of Cordon. */
const makeSharedHandler = Effect.fnUntraced(function* (options: HttpOptions) {
  const { connect } = yield* openSession(options.sessionId ?? randomUUID(), options)
  const handler = createMcpHandler(connect, { legacy: "reject" })
  yield* Effect.addFinalizer(() => Effect.promise(() => handler.close()))
  return handler
})

/** Turns a function of web requests into a listener of Node's HTTP server, and logs failed requests. */
const makeNodeHandler = Effect.fnUntraced(function* (
  fetch: (request: Request) => Promise<Response>,
) {
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const logged = (error: Error) =>
    // The client closed the connection in the middle of its request, or was too slow.
    codeOf(error) === "ECONNRESET"
      ? Effect.logDebug("An MCP request was broken off")
      : Effect.logError("An MCP request failed", error)
  return toNodeHandler({ fetch }, { onerror: (error) => void fork(logged(error)) })
})

const codeOf = (error: Error) => ("code" in error ? error.code : undefined)
