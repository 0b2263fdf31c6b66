import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { HoldsProcess, type HostError } from "@cordon/core"
import {
  isEngineError,
  type Operation,
  parseJson,
  refusalIn,
  registryAuthHeader,
  schemas,
} from "@cordon/driver-docker/engine"
import { Duration, Effect, Exit, Redacted, Schedule, type Schema, type Scope, Stream } from "effect"
import { buildConnector, Client, type Dispatcher } from "undici"
import type { Address } from "../connection/Address.ts"
import type { TlsMaterial } from "../connection/Tls.ts"
import { sshConnector } from "../ssh/ssh.ts"
import { negotiate } from "./apiVersion.ts"
import { beside } from "./beside.ts"
import { Unanswered } from "./failures.ts"
import { makePool } from "./pool.ts"

/** How long to wait for what, in milliseconds, and how often to try. */
export interface Patience {
  readonly connectTimeout: number
  readonly headersTimeout: number
  readonly bodyTimeout: number
  readonly retries: number
  readonly connections: number
  /** A configuration of ssh in place of the user's own. */
  readonly sshConfig?: string | undefined
}

/** A call of the Engine API. */
export interface EngineCall {
  /** For errors: `create a container`. */
  readonly operation: Operation
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE"
  /** Without the version: `/containers/create`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** Sent as JSON; bytes are sent as they are, as a tar archive. */
  readonly body?: unknown
  /** Whether it may be sent again when its answer got lost. Default: all but POST. */
  readonly idempotent?: boolean
  /** The value of `X-Registry-Auth`: credentials for the registry of the image that it is about. */
  readonly registryAuth?: Redacted.Redacted<string> | undefined
  /** What the engine says where it was sent again and had been done before. Default: 404 to a DELETE. */
  readonly wasDone?: number
}

// Milliseconds that an answer takes before its connection may be one that was cut: a call that may be
// sent again is then sent over a new one as well. A busy engine takes longer to do than to tell.
const doubt = { question: 3000, change: 6000 }
// Between two such tries, where the engine is at it already.
const waiting = Schedule.spaced("1 second")

type Schematic = Schema.Constraint & { readonly DecodingServices: never }

/** The Engine API over HTTP: versions, retries, errors, and connections that are kept. */
export interface EngineHttp {
  /** Where the engine is, for people. */
  readonly endpoint: string
  /** An answer in JSON. */
  readonly ask: <S extends Schematic>(
    call: EngineCall,
    schema: S,
  ) => Effect.Effect<S["Type"], HostError>
  /** A call whose answer has nothing to read. */
  readonly run: (call: EngineCall) => Effect.Effect<void, HostError>
  /** The headers of an answer, by their names in lower case. */
  readonly head: (
    call: EngineCall,
  ) => Effect.Effect<
    Readonly<Record<string, string | ReadonlyArray<string> | undefined>>,
    HostError
  >
  /** A long answer; leaving it closes its connection. `idle` bounds the silence within it. */
  readonly stream: (
    call: EngineCall,
    idle: "bounded" | "unbounded",
  ) => Stream.Stream<Uint8Array, HostError>
  /** The raw connection after the engine switched protocols. */
  readonly upgrade: (call: EngineCall) => Effect.Effect<Duplex, HostError, Scope.Scope>
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly text: string
}

const refused = (operation: Operation, { status, text }: Pick<Answer, "status" | "text">) =>
  refusalIn(operation, status, text)

const contentOf = ({ body, registryAuth }: EngineCall) => {
  const auth =
    registryAuth === undefined ? {} : { [registryAuthHeader]: Redacted.value(registryAuth) }
  if (body === undefined) return { headers: auth }
  return body instanceof Uint8Array
    ? { body, headers: { ...auth, "content-type": "application/x-tar" } }
    : { body: JSON.stringify(body), headers: { ...auth, "content-type": "application/json" } }
}

const isVersionMismatch = isEngineError("ApiVersion")

/** Has a connection never keep the process alive; undici would, while an answer is waited for. */
const idle = (socket: Socket) => {
  socket.unref()
  socket.ref = () => socket
}

/** Connects to an engine; the connections are closed with the scope. */
export const makeEngineHttp = Effect.fnUntraced(function* (
  address: Address,
  tls: TlsMaterial,
  patience: Patience,
): Effect.fn.Return<EngineHttp, never, Scope.Scope> {
  const endpoint = address.shown
  const { connectTimeout, headersTimeout, bodyTimeout } = patience

  const holds = yield* HoldsProcess
  // One connector, so that a TLS session is resumed by whatever connects next.
  const connector =
    address._tag === "Ssh"
      ? yield* sshConnector(address.target, { connectTimeout, config: patience.sshConfig, holds })
      : buildConnector({
          ...tls,
          timeout: connectTimeout,
          // Commands take over their connection, which HTTP/2 has no way for.
          allowH2: false,
          // A connection that a firewall forgot is found out, in half a minute.
          keepAliveInitialDelay: 15_000,
          ...(address._tag === "Socket" ? { socketPath: address.path } : {}),
        })
  const unconnected = new WeakSet<object>()
  const connect: buildConnector.connector = (options, done) =>
    connector(
      tls.servername === undefined ? options : { ...options, servername: tls.servername },
      (...result) => {
        if (result[0] !== null) unconnected.add(result[0])
        else if (!holds) idle(result[1])
        done(...result)
      },
    )

  const origin =
    address._tag !== "Tcp"
      ? "http://engine"
      : `${address.tls ? "https" : "http"}://${address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname}:${address.port}`
  const prefix = address._tag === "Tcp" ? address.prefix : ""
  const settings = {
    connect,
    headersTimeout,
    // A middlebox forgets sooner. Over ssh each connection is a program, which sees to that itself.
    keepAliveTimeout: address._tag === "Ssh" ? 300_000 : 4000,
  }
  /** A connection of its own, for one call. */
  const anew = Effect.acquireRelease(
    Effect.sync(() => new Client(origin, { ...settings, bodyTimeout })),
    (client) => Effect.promise(() => client.destroy()),
  )
  const { connections } = patience
  const calls = yield* makePool(origin, { ...settings, connections, bodyTimeout })
  // What holds its connection for long is not counted: short calls never wait for it.
  const streams = yield* makePool(origin, { ...settings, connections: null, bodyTimeout: 0 })

  let answered = false
  const unanswered = (cause: unknown) =>
    new Unanswered(cause, {
      connected: !(typeof cause === "object" && cause !== null && unconnected.has(cause)),
      answered,
      tls: address._tag === "Tcp" && address.tls,
      certificate: tls.cert !== undefined,
    })

  const pathOf = (version: string, { path, query = {} }: EngineCall) => {
    const parameters = new URLSearchParams(query).toString()
    return `${prefix}${version}${path}${parameters === "" ? "" : `?${parameters}`}`
  }

  const requestOf = (version: string, call: EngineCall) => ({
    path: pathOf(version, call),
    method: call.method,
    ...contentOf(call),
  })

  const isQuestion = ({ method }: EngineCall) => method === "GET" || method === "HEAD"
  const isIdempotent = ({ method, idempotent }: EngineCall) => idempotent ?? method !== "POST"
  const wasDone = ({ method, wasDone }: EngineCall) => wasDone ?? (method === "DELETE" ? 404 : 0)

  const retrying = Schedule.exponential("100 millis").pipe(Schedule.jittered, (delays) =>
    Schedule.max([delays, Schedule.recurs(patience.retries)]),
  )

  /** Sends a call: once, or, where it is idempotent, until it is answered or hopeless. */
  const send = (version: string, call: EngineCall): Effect.Effect<Answer, HostError> =>
    Effect.suspend(() => {
      let lost = false
      const once = (by: () => Dispatcher) =>
        Effect.tryPromise({
          try: async (signal): Promise<Answer> => {
            const response = await by().request({ ...requestOf(version, call), signal })
            const text = await response.body.text()
            answered = true
            return { status: response.statusCode, headers: response.headers, text }
          },
          catch: unanswered,
        })
      const again = Effect.suspend(() => {
        lost = true
        return Effect.scoped(Effect.flatMap(anew, (client) => once(() => client)))
      }).pipe(
        Effect.repeat({
          schedule: waiting,
          while: ({ status, text }) =>
            isEngineError("InProgress")(refusalIn(call.operation, status, text)),
        }),
      )
      const attempt = isIdempotent(call)
        ? beside(once(calls), isQuestion(call) ? doubt.question : doubt.change, again)
        : once(calls)
      return attempt.pipe(
        Effect.tapError(({ sent }) =>
          Effect.sync(() => {
            lost ||= sent
          }),
        ),
        Effect.retry({
          schedule: retrying,
          while: (failure) => failure.passing && isIdempotent(call),
        }),
        Effect.mapError((failure) =>
          failure.toHostError(endpoint, call.operation, !isQuestion(call)),
        ),
        // What it asked for had been done, and the answer got lost.
        Effect.map((answer) =>
          lost && answer.status === wasDone(call) ? { ...answer, status: 204 } : answer,
        ),
      )
    })

  const ping: EngineCall = { operation: "agree on an API version", method: "GET", path: "/_ping" }
  const [version, forgetVersion] = yield* send("", ping).pipe(
    Effect.flatMap((answer) => negotiate(endpoint, answer)),
    Effect.cachedInvalidateWithTTL((exit) =>
      Exit.isSuccess(exit) ? Duration.infinity : Duration.zero,
    ),
  )

  /** With the agreed version, and with the next one where the engine was exchanged meanwhile. */
  const versioned = <A, R>(f: (version: string) => Effect.Effect<A, HostError, R>) => {
    const attempt = Effect.flatMap(version, f)
    return attempt.pipe(
      Effect.catchIf(isVersionMismatch, () => Effect.andThen(forgetVersion, attempt)),
    )
  }

  const answerTo = (call: EngineCall) =>
    versioned((version) =>
      Effect.flatMap(send(version, call), (answer) =>
        answer.status < 300 || answer.status === 304
          ? Effect.succeed(answer)
          : Effect.fail(refused(call.operation, answer)),
      ),
    )

  const ask: EngineHttp["ask"] = (call, schema) =>
    Effect.flatMap(answerTo(call), ({ text }) =>
      schemas.decodeAnswer(call.operation, schema)(parseJson(text)),
    )

  const stream: EngineHttp["stream"] = (call, idle) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const leaving = new AbortController()
        yield* Effect.addFinalizer(() => Effect.sync(() => leaving.abort()))
        const broken = (cause: unknown) =>
          unanswered(cause).toHostError(endpoint, call.operation, false)
        return yield* versioned((version) =>
          Effect.gen(function* () {
            const response = yield* Effect.tryPromise({
              try: () =>
                streams().request({
                  ...requestOf(version, call),
                  signal: leaving.signal,
                  // The engine sends its headers with the first thing it has to say.
                  headersTimeout: 0,
                  bodyTimeout: idle === "bounded" ? bodyTimeout : 0,
                }),
              catch: broken,
            })
            if (response.statusCode >= 300) {
              const text = yield* Effect.tryPromise({
                try: () => response.body.text(),
                catch: broken,
              })
              return yield* refused(call.operation, { status: response.statusCode, text })
            }
            return Stream.fromAsyncIterable<Uint8Array, HostError>(response.body, broken)
          }),
        )
      }),
    )

  const upgradeWith = (version: string, call: EngineCall) =>
    Effect.gen(function* () {
      // Whatever comes of it is closed: also a connection that comes after an interruption.
      let left = false
      let abort = () => {}
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          left = true
          abort()
        }),
      )
      return yield* Effect.callback<Duplex, HostError>((resume) => {
        let status = 0
        const body: Array<Buffer> = []
        streams().dispatch(
          { ...requestOf(version, call), upgrade: "tcp" },
          {
            onRequestStart: (controller) => {
              abort = () => controller.abort(new Error("left"))
              if (left) abort()
            },
            onRequestUpgrade: (_controller, _status, _headers, socket) => {
              // An error that nobody listens for would end the process.
              socket.on("error", () => {})
              abort = () => socket.destroy()
              if (left) abort()
              resume(Effect.succeed(socket))
            },
            onResponseStart: (_controller, statusCode) => {
              status = statusCode
            },
            onResponseData: (_controller, chunk) => void body.push(chunk),
            onResponseEnd: () => {
              const text = Buffer.concat(body).toString()
              resume(Effect.fail(refused(call.operation, { status, text })))
            },
            onResponseError: (_controller, cause) =>
              resume(Effect.fail(unanswered(cause).toHostError(endpoint, call.operation, true))),
          },
        )
      })
    })

  return {
    endpoint,
    ask,
    run: (call) => Effect.asVoid(answerTo(call)),
    head: (call) => Effect.map(answerTo(call), ({ headers }) => headers),
    stream,
    upgrade: (call) => versioned((version) => upgradeWith(version, call)),
  }
})
