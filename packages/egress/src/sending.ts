import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http"
import { type ClientRequest, request as plain } from "node:http"
import type { ClientHttp2Session } from "node:http2"
import { type RequestOptions, request as secure } from "node:https"
import type { Readable, Writable } from "node:stream"

/** A destination's answer. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Readable
  /** Whether the answer has only headers, marked as complete in HTTP/2. */
  readonly isWhole: boolean
}

export interface Answering {
  /** Aborted if nobody waits for the answer any more, or if it is no longer allowed. */
  readonly signal: AbortSignal
  readonly onAnswer: (answer: Answer) => void
  /** Called with the headers that follow the content. */
  readonly onTrailers: (trailers: IncomingHttpHeaders) => void
  /** Called with the reason why there is no answer, or why it broke off. */
  readonly onError: (error: unknown) => void
}

export const requestTo = (protocol: "http" | "https", options: RequestOptions): ClientRequest =>
  protocol === "https" ? secure(options) : plain(options)

/** Sends a request by HTTP/1.1. @returns the stream for its content */
export const sendHttp1 = (
  protocol: "http" | "https",
  options: RequestOptions,
  { onAnswer, onError }: Answering,
): Writable => {
  const sending = requestTo(protocol, options)
  sending.on("error", onError)
  sending.on("response", (body) =>
    onAnswer({ status: body.statusCode ?? 502, headers: body.headers, body, isWhole: false }),
  )
  return sending
}

const endStream = 1

/** Sends a request by HTTP/2. @returns the stream for its content */
export const sendHttp2 = (
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  hasBody: boolean,
  { onAnswer, onTrailers, onError }: Answering,
): Writable => {
  const stream = session.request(headers, { endStream: !hasBody })
  let isAnswered = false
  stream.on("response", (received, flags) => {
    isAnswered = true
    const { ":status": status = 502, ...others } = received
    onAnswer({
      status,
      headers: others,
      body: stream,
      isWhole: (flags & endStream) !== 0,
    })
  })
  stream.on("trailers", onTrailers)
  // After the answer has begun, its content reports the error.
  const fail = (error: unknown) => {
    if (!isAnswered) onError(error)
  }
  stream.on("error", fail)
  // A stream that is cancelled closes without an error.
  stream.on("close", () => fail(new Error("the stream closed without an answer")))
  return stream
}
