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
  /** Called with the address that the request goes to. */
  readonly onAddress: (address: string) => void
  readonly onAnswer: (answer: Answer) => void
  /** Called with the headers that follow the content. */
  readonly onTrailers: (trailers: IncomingHttpHeaders) => void
  /** Called with the reason why there is no answer, or why an answer can't be passed on. */
  readonly onError: (error: unknown) => void
}

/** Milliseconds without a byte, after which a destination is given up. A slow model thinks for minutes. */
export const silence = 900_000

/** Takes the first answer or failure of a request. A destination may send anything as its answer. */
const makeOnce = ({ onAnswer, onTrailers, onError }: Answering) => {
  let isOver = false
  const fail = (error: unknown) => {
    if (isOver) return
    isOver = true
    onError(error)
  }
  const guarded = (pass: () => void, body: Readable) => {
    try {
      pass()
    } catch (error) {
      body.destroy()
      onError(error)
    }
  }
  const answer = (given: Answer) => {
    if (isOver) return
    if (!(given.status >= 200 && given.status <= 599)) {
      given.body.destroy()
      return fail(new Error(`the destination answered with the status ${given.status}`))
    }
    isOver = true
    guarded(() => onAnswer(given), given.body)
  }
  const trailers = (given: IncomingHttpHeaders, body: Readable) =>
    guarded(() => onTrailers(given), body)
  return { answer, trailers, fail }
}

/** Makes a request by HTTP/1.1, which ends after too long a silence. */
export const requestTo = (
  protocol: "http" | "https",
  options: RequestOptions,
  onAddress: Answering["onAddress"],
): ClientRequest => {
  const sending = protocol === "https" ? secure(options) : plain(options)
  sending.setTimeout(silence, () => sending.destroy(new Error("the destination is silent")))
  sending.on("socket", (socket) => {
    const tell = () => {
      if (socket.remoteAddress !== undefined) onAddress(socket.remoteAddress)
    }
    if (socket.connecting) socket.once("connect", tell)
    else tell()
  })
  return sending
}

const noAnswer = () => new Error("the connection ended without an answer")

/** Sends a request by HTTP/1.1. @returns the stream for its content */
export const sendHttp1 = (
  protocol: "http" | "https",
  options: RequestOptions,
  answering: Answering,
): Writable => {
  const once = makeOnce(answering)
  const sending = requestTo(protocol, options, answering.onAddress)
  sending.on("error", once.fail)
  // A destination may switch to another protocol unasked.
  sending.on("close", () => once.fail(noAnswer()))
  sending.on("response", (body) =>
    once.answer({ status: body.statusCode ?? 502, headers: body.headers, body, isWhole: false }),
  )
  return sending
}

const endStream = 1

/** Sends a request by HTTP/2. @returns the stream for its content */
export const sendHttp2 = (
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  hasBody: boolean,
  answering: Answering,
): Writable => {
  const once = makeOnce(answering)
  const stream = session.request(headers, { endStream: !hasBody })
  const address = session.socket?.remoteAddress
  if (address !== undefined) answering.onAddress(address)
  stream.setTimeout(silence, () => stream.destroy(new Error("the destination is silent")))
  stream.on("response", (received, flags) => {
    const { ":status": status = 502, ...others } = received
    const isWhole = (flags & endStream) !== 0
    once.answer({ status, headers: others, body: stream, isWhole })
  })
  stream.on("trailers", (trailers) => once.trailers(trailers, stream))
  // After the answer has begun, its content reports the error.
  stream.on("error", once.fail)
  // A stream that is cancelled closes without an error.
  stream.on("close", () => once.fail(noAnswer()))
  return stream
}
