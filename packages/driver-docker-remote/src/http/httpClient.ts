import { EngineUnreachable, type HostError } from "@cordon/core"
import {
  abortedAtEnd,
  type EngineCall,
  type EngineClient,
  type EngineTransport,
  engineClient,
  execConnection,
  isEngineError,
  parseJson,
  refusalIn,
} from "@cordon/driver-docker/engine"
import { Duration, Effect, Exit, type Scope, Stream } from "effect"
import type { Address } from "../connection/Address.ts"
import type { TlsMaterial } from "../connection/Tls.ts"
import { negotiate } from "./apiVersion.ts"
import { makeConnections, type Patience } from "./connections.ts"
import { reasonOf } from "./failures.ts"
import { requestOf } from "./request.ts"
import { makeSend } from "./send.ts"
import { upgrade } from "./upgrade.ts"

const ping: EngineCall = { operation: "agree on an API version", method: "GET", path: "/_ping" }

/** The Engine API over HTTP, with undici: versions, retries, and connections that are kept until the scope ends. */
export const makeHttpClient = Effect.fnUntraced(function* (
  address: Address,
  tls: TlsMaterial,
  patience: Patience,
): Effect.fn.Return<EngineClient, never, Scope.Scope> {
  const endpoint = address.shown
  const before = address._tag === "Tcp" ? address.prefix : ""
  const connections = yield* makeConnections(address, tls, patience)
  const send = makeSend(connections, endpoint, patience.retries)

  const [prefix, forgetPrefix] = yield* send(before, ping).pipe(
    Effect.flatMap((answer) => negotiate(endpoint, answer)),
    Effect.map((version) => `${before}${version}`),
    Effect.cachedInvalidateWithTTL((exit) =>
      Exit.isSuccess(exit) ? Duration.infinity : Duration.zero,
    ),
  )

  /** With the agreed version, and with the next one where the engine was exchanged meanwhile. */
  const versioned = <A, R>(f: (prefix: string) => Effect.Effect<A, HostError, R>) => {
    const attempt = Effect.flatMap(prefix, f)
    return attempt.pipe(
      Effect.catchIf(isEngineError("ApiVersion"), () => Effect.andThen(forgetPrefix, attempt)),
    )
  }

  const answerTo = (call: EngineCall) =>
    versioned((prefix) =>
      Effect.flatMap(send(prefix, call), (answer) =>
        answer.status < 300
          ? Effect.succeed(answer)
          : Effect.fail(refusalIn(call.operation, answer.status, answer.text)),
      ),
    )

  const stream: EngineTransport["stream"] = (call, silence) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const signal = yield* abortedAtEnd
        const broken = (cause: unknown) =>
          connections.unanswered(cause).toHostError(endpoint, call.operation, false)
        return yield* versioned((prefix) =>
          Effect.gen(function* () {
            const { statusCode, body } = yield* Effect.tryPromise({
              try: () =>
                connections.streams().request({
                  ...requestOf(prefix, call),
                  signal,
                  // The engine sends its headers with the first part of its answer.
                  headersTimeout: 0,
                  bodyTimeout: silence === "bounded" ? patience.bodyTimeout : 0,
                }),
              catch: broken,
            })
            if (statusCode < 300)
              return Stream.fromAsyncIterable<Uint8Array, HostError>(body, broken)
            const text = yield* Effect.tryPromise({ try: () => body.text(), catch: broken })
            return yield* refusalIn(call.operation, statusCode, text)
          }),
        )
      }),
    )

  const lost = (cause: unknown) => new EngineUnreachable({ endpoint, reason: reasonOf(cause) })

  return engineClient({
    endpoint,
    call: (call) => Effect.map(answerTo(call), ({ text }) => parseJson(text)),
    head: (call) => Effect.map(answerTo(call), ({ headers }) => headers),
    stream,
    upgrade: (call) =>
      Effect.map(
        versioned((prefix) => upgrade(connections, endpoint, prefix, call)),
        (socket) => execConnection(socket, lost),
      ),
  })
})
