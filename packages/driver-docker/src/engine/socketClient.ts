import { IncomingMessage } from "node:http"
import { EngineError, EngineUnreachable, type HostError } from "@cordon/core"
import Docker from "dockerode"
import { Effect, Schema, Stream } from "effect"
import {
  abortedAtEnd,
  type EngineCall,
  type EngineTransport,
  type Headers,
} from "./EngineClient.ts"
import { execConnection } from "./execConnection.ts"
import { codeOf, refusal, refusalIn, systemReasons } from "./failures.ts"
import { IdleAgent } from "./idleAgent.ts"
import { longAnswer } from "./longAnswer.ts"
import type { Operation } from "./statusReasons.ts"
import { takeOver } from "./takeOver.ts"

/** An HTTP answer of the engine, as dockerode's errors contain it. */
const Refusal = Schema.Struct({
  statusCode: Schema.Number,
  json: Schema.optionalKey(Schema.Unknown),
})
const isRefusal = Schema.is(Refusal)

const toHostError =
  (endpoint: string, operation: Operation) =>
  (cause: unknown): HostError => {
    if (cause instanceof EngineError) return cause
    if (isRefusal(cause)) {
      const { statusCode, json } = cause
      return Buffer.isBuffer(json)
        ? refusalIn(operation, statusCode, json.toString())
        : refusal(operation, statusCode, json, "it gave no reason")
    }
    const reason =
      systemReasons[codeOf(cause)] ?? (cause instanceof Error ? cause.message : String(cause))
    return new EngineUnreachable({ endpoint, reason })
  }

const bytesOf = (chunk: string | Uint8Array) =>
  typeof chunk === "string" ? Buffer.from(chunk) : chunk

/**
 * The result of a call, or a failure when its time is up: a hanging engine (20.10 hangs at times:
 * https://github.com/moby/moby/issues/46661) no longer answers. This is not `Effect.timeout`, which
 * would wait for the call in an uninterruptible region.
 */
const within = <A>(milliseconds: number, answer: Promise<A>): Promise<A> => {
  const { promise, reject } = Promise.withResolvers<never>()
  const reason = `it did not answer within ${milliseconds / 1000} s; if it answers nothing at all any more, restart it`
  const timer = setTimeout(() => reject(new Error(reason)), milliseconds).unref()
  return Promise.race([answer, promise]).finally(() => clearTimeout(timer))
}

/** The request in the form that dockerode's modem takes. */
interface Dialled {
  readonly path: string
  readonly method: string
  readonly statusCodes: Readonly<Record<number, true>>
  readonly options: { readonly _query: object | undefined; readonly _body: unknown }
  readonly file: Buffer | undefined
  /** Whether an empty object is sent as a body. */
  readonly allowEmpty: boolean
  /** Whether the answer is the message itself, whose body is not yet read. */
  readonly isStream: boolean
}
interface Modem {
  readonly dial: (asked: Dialled, done: (error: Error | null, answer: unknown) => void) => void
}

const done = { 200: true, 201: true, 202: true, 204: true } as const

const dialled = ({ method, path, query, body }: EngineCall): Dialled => ({
  // The modem adds the query only to a path that ends with a question mark.
  path: query === undefined ? path : `${path}?`,
  method,
  statusCodes: done,
  // Without a body here, the modem would send the query as the body.
  options: { _query: query, _body: body instanceof Uint8Array ? {} : (body ?? {}) },
  file:
    body instanceof Uint8Array
      ? Buffer.from(body.buffer, body.byteOffset, body.byteLength)
      : undefined,
  allowEmpty: body !== undefined,
  isStream: method === "HEAD",
})

const headersOf = (answer: unknown): Headers => {
  if (!(answer instanceof IncomingMessage)) return {}
  // An unread answer keeps its connection open, and so the whole process alive.
  answer.resume()
  return answer.headers
}

/**
 * A transport to the engine behind a local socket, by dockerode. Calls that dockerode can't make
 * use Node's HTTP client.
 *
 * @param patience milliseconds that it has to answer a call
 * @param holds whether its connections keep the process alive
 */
export const socketClient = (
  socketPath: string,
  patience: number,
  holds: boolean,
): EngineTransport => {
  const place = { socketPath, agent: holds ? undefined : new IdleAgent() }
  const modem: Modem = new Docker(place).modem
  const endpoint = `${process.platform === "win32" ? "npipe" : "unix"}://${socketPath}`

  const dial = (call: EngineCall): Effect.Effect<unknown, HostError> =>
    Effect.tryPromise({
      try: () => {
        const { promise, resolve, reject } = Promise.withResolvers<unknown>()
        modem.dial(dialled(call), (error, answer) => (error ? reject(error) : resolve(answer)))
        return within(patience, promise)
      },
      catch: toHostError(endpoint, call.operation),
    })

  return {
    endpoint,
    call: dial,
    head: (call) => Effect.map(dial(call), headersOf),
    stream: (call) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const leaving = yield* abortedAtEnd
          const failed = toHostError(endpoint, call.operation)
          // The engine sends the head of its answer only with the first piece of data.
          const answer = yield* Effect.tryPromise({
            try: () => longAnswer(place, call, leaving),
            catch: failed,
          })
          return Stream.map(Stream.fromAsyncIterable(answer, failed), bytesOf)
        }),
      ),
    upgrade: (call) =>
      Effect.gen(function* () {
        // The connection is closed in every case, also if it arrives after an interruption.
        const leaving = yield* abortedAtEnd
        const failed = toHostError(endpoint, call.operation)
        const open = async () => {
          const socket = await takeOver(place, call, leaving)
          // An error without a listener would end the process.
          socket.on("error", () => {})
          const leave = () => void socket.destroy()
          if (leaving.aborted) leave()
          else leaving.addEventListener("abort", leave)
          return socket
        }
        const socket = yield* Effect.tryPromise({
          try: () => within(patience, open()),
          catch: failed,
        })
        return execConnection(socket, failed)
      }),
  }
}
