import type { Duplex } from "node:stream"
import type { HostError } from "@cordon/core"
import { abortedAtEnd, type EngineCall, refusalIn } from "@cordon/driver-docker/engine"
import { Effect, type Scope } from "effect"
import type { Connections } from "./connections.ts"
import { requestOf } from "./request.ts"

/** Makes a call over a connection of its own, which is closed at the end of the scope. */
export const upgrade = (
  { streams, unanswered }: Connections,
  endpoint: string,
  prefix: string,
  call: EngineCall,
): Effect.Effect<Duplex, HostError, Scope.Scope> =>
  Effect.gen(function* () {
    // The connection is closed in every case, also if it arrives after an interruption.
    const leaving = yield* abortedAtEnd
    let leave = () => {}
    leaving.addEventListener("abort", () => leave())
    /** Sets what the scope's end closes: first the request, then the connection that it became. */
    const close = (by: () => void) => {
      leave = by
      if (leaving.aborted) by()
    }
    return yield* Effect.callback<Duplex, HostError>((resume) => {
      let status = 0
      const body: Array<Buffer> = []
      streams().dispatch(
        { ...requestOf(prefix, call), upgrade: "tcp" },
        {
          onRequestStart: (controller) => close(() => controller.abort(new Error("left"))),
          onRequestUpgrade: (_controller, _status, _headers, socket) => {
            // An error event without a listener would end the process.
            socket.on("error", () => {})
            close(() => socket.destroy())
            resume(Effect.succeed(socket))
          },
          onResponseStart: (_controller, statusCode) => {
            status = statusCode
          },
          onResponseData: (_controller, chunk) => void body.push(chunk),
          onResponseEnd: () => {
            const text = Buffer.concat(body).toString()
            resume(Effect.fail(refusalIn(call.operation, status, text)))
          },
          onResponseError: (_controller, cause) =>
            resume(Effect.fail(unanswered(cause).toHostError(endpoint, call.operation, true))),
        },
      )
    })
  })
