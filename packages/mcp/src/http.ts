import { randomUUID } from "node:crypto"
import type { Server as HttpServer } from "node:http"
import { type CordonError, InvalidInput, type Sandboxes } from "@cordon/core"
import { toNodeHandler } from "@modelcontextprotocol/node"
import { createMcpHandler, isLegacyRequest } from "@modelcontextprotocol/server"
import { Clock, Duration, Effect, Exit, FiberSet, Scope } from "effect"
import { makeBoundedServer } from "./connections.ts"
import { type GuardOptions, makeGuard, refuse, rpcError } from "./guard.ts"
import { type McpOptions, openSession } from "./session.ts"
import { SessionTransport } from "./transport.ts"

export interface HttpOptions extends McpOptions, GuardOptions {
  /** 0, the default, lets the system choose. */
  readonly port?: number
  /**
   * Who owns the sandboxes of clients without MCP sessions (from the protocol's revision 2026-07-28
   * on there are none): all of them together. A random one by default.
   */
  readonly sessionId?: string
  /**
   * MCP sessions at the same time: 256. When all are open, the one that was unused for longest makes
   * room for a new one, if it has no sandboxes; its client begins another.
   */
  readonly maxSessions?: number
  /** Connections at the same time: 1024. The oldest that was never let in makes room for a new one. */
  readonly maxConnections?: number
  /** A request that has not come whole within this is refused: a minute; its headers in 10 seconds. */
  readonly requestTimeout?: Duration.Input
  /** A session that is not used for so long is closed: 30 minutes. */
  readonly sessionTimeout?: Duration.Input
}

/** Where a server can be reached. */
export interface HttpEndpoint {
  /** Where clients connect to: `http://127.0.0.1:40123/mcp`. */
  readonly url: string
}

interface HttpSession {
  readonly transport: SessionTransport
  readonly hasSandboxes: () => boolean
  /** Ends the session. */
  readonly close: Effect.Effect<void>
  /** Requests that are being answered, streams of notifications among them. */
  active: number
  /** Milliseconds since the epoch. */
  lastUsed: number
}

const path = "/mcp"

/**
 * Serves MCP over streamable HTTP until the scope closes. Each MCP session has sandboxes of its own;
 * ending it (a DELETE, or the timeout) kills its commands and removes them, unless `keep` is set.
 */
export const serveHttp = Effect.fnUntraced(function* (
  options: HttpOptions = {},
): Effect.fn.Return<HttpEndpoint, InvalidInput | CordonError, Sandboxes | Scope.Scope> {
  const { host = "127.0.0.1", port = 0, maxSessions = 256, sessionId = randomUUID() } = options
  const timeout = Duration.toMillis(options.sessionTimeout ?? "30 minutes")
  const guard = yield* makeGuard(options)
  const scope = yield* Effect.scope
  const sessions = new Map<string, HttpSession>()
  let opening = 0
  const shared = createMcpHandler((yield* openSession(sessionId, options)).connect, {
    legacy: "reject",
  })
  yield* Effect.addFinalizer(() => Effect.promise(() => shared.close()))

  const open = Effect.gen(function* () {
    const id = randomUUID()
    const own = yield* Scope.fork(scope)
    const { connect, hasSandboxes } = yield* openSession(id, options).pipe(
      Scope.provide(own),
      Effect.onError((cause) => Scope.close(own, Exit.failCause(cause))),
    )
    const transport = new SessionTransport({
      sessionIdGenerator: () => id,
      onsessioninitialized: () => {
        sessions.set(id, session)
      },
      onsessionclosed: () => run(session.close),
    })
    const session: HttpSession = {
      transport,
      hasSandboxes,
      close: Effect.suspend(() => {
        sessions.delete(id)
        return Scope.close(own, Exit.void)
      }),
      active: 0,
      lastUsed: yield* Clock.currentTimeMillis,
    }
    const server = connect()
    yield* Scope.addFinalizer(
      own,
      Effect.promise(() => server.close()),
    )
    yield* Effect.promise(() => server.connect(transport))
    return { id, session }
  })

  /** Ends the session that was unused for longest, of those that lose nothing by it. */
  const makeRoom = Effect.suspend(() => {
    const [idle] = [...sessions.values()]
      .filter(({ transport, hasSandboxes }) => transport.unanswered === 0 && !hasSandboxes())
      .sort((a, b) => a.lastUsed - b.lastUsed)
    return idle === undefined ? Effect.void : idle.close
  })

  /** Answers a request of a protocol revision that has sessions. */
  const answer = Effect.fnUntraced(function* (request: Request) {
    const given = request.headers.get("mcp-session-id")
    if (given !== null) {
      const session = sessions.get(given)
      return session === undefined
        ? Response.json(rpcError("This session has ended: initialize another one", -32001), {
            status: 404,
          })
        : yield* Effect.promise(() => session.transport.handleRequest(request))
    }
    if (sessions.size + opening >= maxSessions) yield* makeRoom
    if (sessions.size + opening >= maxSessions) {
      return Response.json(rpcError(`${maxSessions} sessions are open: close one, or wait`), {
        status: 503,
      })
    }
    opening += 1
    const { id, session } = yield* Effect.ensuring(
      open,
      Effect.sync(() => {
        opening -= 1
      }),
    )
    const response = yield* Effect.promise(() => session.transport.handleRequest(request))
    // Anything but an accepted initialization.
    if (!sessions.has(id)) yield* session.close
    return response
  })

  const run = yield* FiberSet.makeRuntimePromise<Sandboxes>()
  const fork = Effect.runForkWith(yield* Effect.context<Sandboxes>())
  const handle = toNodeHandler(
    {
      fetch: async (request) =>
        (await isLegacyRequest(request)) ? await run(answer(request)) : await shared.fetch(request),
    },
    {
      onerror: (error) =>
        void fork(
          // A client that left in the middle of its request, or was too slow with it.
          codeOf(error) === "ECONNRESET"
            ? Effect.logDebug("An MCP request was broken off")
            : Effect.logError("An MCP request failed", error),
        ),
    },
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
    const session = sessions.get(String(request.headers["mcp-session-id"]))
    if (session !== undefined) {
      session.active += 1
      session.lastUsed = Date.now()
      response.once("close", () => {
        session.active -= 1
        session.lastUsed = Date.now()
      })
    }
    // Requests to a server always have a method and a URL.
    const { method = "GET", url = "/" } = request
    void handle(Object.assign(request, { method, url }), response)
  })
  yield* Effect.acquireRelease(listen(server, host, port), () => close(server))

  const closeUnused = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const unused = [...sessions.values()].filter(
      ({ active, lastUsed }) => active === 0 && now - lastUsed >= timeout,
    )
    yield* Effect.forEach(unused, (session) => session.close, { concurrency: 8, discard: true })
  })
  const pause = Duration.millis(Math.min(timeout, 60_000))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(pause), closeUnused)))

  return { url: `http://${host.includes(":") ? `[${host}]` : host}:${portOf(server)}${path}` }
})

const codeOf = (error: Error) => ("code" in error ? error.code : undefined)

const listen = (server: HttpServer, host: string, port: number) =>
  Effect.callback<void, InvalidInput>((resume) => {
    server.once("error", (error) =>
      resume(
        Effect.fail(
          new InvalidInput({
            subject: "host and port",
            issue: `${host}, port ${port} can't be served (${error.message}); choose others.`,
          }),
        ),
      ),
    )
    server.listen(port, host, () => resume(Effect.void))
  })

const close = (server: HttpServer) =>
  Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })

const portOf = (server: HttpServer) => {
  const address = server.address()
  return address === null || typeof address === "string" ? 0 : address.port
}
