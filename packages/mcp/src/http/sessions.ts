import { randomUUID } from "node:crypto"
import type { Sandboxes } from "@cordon/core"
import { Clock, Duration, Effect, Exit, FiberSet, Scope } from "effect"
import { type McpOptions, openSession } from "../session.ts"
import { rpcError } from "./guard.ts"
import { SessionTransport } from "./transport.ts"

/** How many MCP sessions an HTTP server has, and how long one may be unused. */
export interface SessionLimits {
  readonly maxSessions: number
  readonly sessionTimeout: Duration.Input
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

export interface HttpSessions {
  /** Answers a request of a protocol revision that has sessions; an initialization opens one. */
  readonly respond: (request: Request) => Promise<Response>
  /** Counts a request as a use of its session, if there is one with this ID. @returns ends the use */
  readonly use: (id: string) => () => void
}

const noSession = () =>
  Response.json(rpcError("This session has ended: initialize another one", -32001), { status: 404 })

const tooManySessions = (maxSessions: number) =>
  Response.json(rpcError(`${maxSessions} sessions are open: close one, or wait`), { status: 503 })

/** The MCP sessions of an HTTP server. They end with the scope. */
export const makeHttpSessions = Effect.fnUntraced(function* (
  options: McpOptions,
  { maxSessions, sessionTimeout }: SessionLimits,
): Effect.fn.Return<HttpSessions, never, Sandboxes | Scope.Scope> {
  const clock = yield* Clock.Clock
  const sessions = new Map<string, HttpSession>()
  const run = yield* FiberSet.makeRuntimePromise<Sandboxes>()
  const open = yield* makeOpen(options, sessions, run)
  let opening = 0

  const isFull = () => sessions.size + opening >= maxSessions

  const answer = Effect.fnUntraced(function* (request: Request) {
    const given = request.headers.get("mcp-session-id")
    if (given !== null) {
      const session = sessions.get(given)
      return session === undefined
        ? noSession()
        : yield* Effect.promise(() => session.transport.handleRequest(request))
    }
    if (isFull()) yield* makeRoom(sessions)
    if (isFull()) return tooManySessions(maxSessions)
    opening += 1
    const { id, session } = yield* Effect.ensuring(
      open,
      Effect.sync(() => {
        opening -= 1
      }),
    )
    const response = yield* Effect.promise(() => session.transport.handleRequest(request))
    // The transport has refused the request: it was no valid initialization.
    if (!sessions.has(id)) yield* session.close
    return response
  })

  yield* Effect.forkScoped(closeUnused(sessions, sessionTimeout))

  return {
    respond: (request) => run(answer(request)),
    use: (id) => {
      const session = sessions.get(id)
      if (session === undefined) return () => {}
      session.active += 1
      session.lastUsed = clock.currentTimeMillisUnsafe()
      return () => {
        session.active -= 1
        session.lastUsed = clock.currentTimeMillisUnsafe()
      }
    },
  }
})

/** Opens sessions in the scope. Each is added to `sessions` when the client initializes it, until its end. */
const makeOpen = Effect.fnUntraced(function* (
  options: McpOptions,
  sessions: Map<string, HttpSession>,
  run: (effect: Effect.Effect<void>) => Promise<void>,
) {
  const scope = yield* Effect.scope
  return Effect.gen(function* () {
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
})

/** Ends one session: the one unused for longest, of those without sandboxes and unanswered requests. */
const makeRoom = (sessions: ReadonlyMap<string, HttpSession>) =>
  Effect.suspend(() => {
    const [idle] = [...sessions.values()]
      .filter(({ transport, hasSandboxes }) => transport.unanswered === 0 && !hasSandboxes())
      .sort((a, b) => a.lastUsed - b.lastUsed)
    return idle === undefined ? Effect.void : idle.close
  })

/** Ends sessions that were unused for the timeout, again and again. */
const closeUnused = (
  sessions: ReadonlyMap<string, HttpSession>,
  sessionTimeout: Duration.Input,
): Effect.Effect<never> => {
  const timeout = Duration.toMillis(sessionTimeout)
  const closeOnce = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const unused = [...sessions.values()].filter(
      ({ active, lastUsed }) => active === 0 && now - lastUsed >= timeout,
    )
    yield* Effect.forEach(unused, ({ close }) => close, { concurrency: 8, discard: true })
  })
  const pause = Duration.millis(Math.min(timeout, 60_000))
  return Effect.forever(Effect.andThen(Effect.sleep(pause), closeOnce))
}
