import type { HostError } from "@cordon/core"
import { type EngineCall, isEngineError, refusalIn } from "@cordon/driver-docker/engine"
import { Effect, Schedule } from "effect"
import type { Dispatcher } from "undici"
import { beside } from "./beside.ts"
import type { Connections } from "./connections.ts"
import { type Answer, isIdempotent, isQuestion, requestOf } from "./request.ts"

// Milliseconds without an answer after which the connection may be broken. A call that may be sent
// twice is then also sent over a new connection.
const doubt = { question: 3000, change: 6000 }
// Milliseconds between two such attempts if the engine already works on the call.
const waiting = Schedule.spaced("1 second")

const isRefused = ({ status }: Answer) => status >= 300

const reasonOf = ({ operation }: EngineCall, { status, text }: Answer) =>
  refusalIn(operation, status, text)

/** The reason of a refusal if the call is sent again after it was already done. */
const wasDone = ({ method, wasDone }: EngineCall) =>
  wasDone ?? (method === "DELETE" ? "NotFound" : undefined)

const whyDone = (call: EngineCall, answer: Answer) =>
  isRefused(answer) && reasonOf(call, answer).reason._tag === wasDone(call)

/** Sends calls: once, or, where they are idempotent, until they are answered or hopeless. */
export const makeSend = (
  { calls, anew, answered, unanswered }: Connections,
  endpoint: string,
  retries: number,
) => {
  const retrying = Schedule.exponential("100 millis").pipe(Schedule.jittered, (delays) =>
    Schedule.max([delays, Schedule.recurs(retries)]),
  )

  const once = (by: () => Dispatcher, prefix: string, call: EngineCall) =>
    Effect.tryPromise({
      try: async (signal): Promise<Answer> => {
        const response = await by().request({ ...requestOf(prefix, call), signal })
        const text = await response.body.text()
        answered()
        return { status: response.statusCode, headers: response.headers, text }
      },
      catch: unanswered,
    })

  return (prefix: string, call: EngineCall): Effect.Effect<Answer, HostError> =>
    Effect.suspend(() => {
      let lost = false
      const again = Effect.suspend(() => {
        lost = true
        return Effect.scoped(Effect.flatMap(anew, (client) => once(() => client, prefix, call)))
      }).pipe(
        Effect.repeat({
          schedule: waiting,
          while: (answer) =>
            isRefused(answer) && isEngineError("InProgress")(reasonOf(call, answer)),
        }),
      )
      const first = once(calls, prefix, call)
      const attempt = isIdempotent(call)
        ? beside(first, isQuestion(call) ? doubt.question : doubt.change, again)
        : first
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
        // The first attempt was successful, and its answer got lost.
        Effect.map((answer) =>
          lost && whyDone(call, answer) ? { ...answer, status: 204 } : answer,
        ),
      )
    })
}
