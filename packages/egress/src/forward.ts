import type { OutgoingHttpHeaders } from "node:http"
import type { RequestOptions } from "node:https"
import { type Duplex, pipeline, type Writable } from "node:stream"
import { framingOf } from "@cordon/core"
import { counted, type Exchange } from "./Exchanges.ts"
import { asHttp2, responseHeaders, sizeOf } from "./headers.ts"
import { type Judged, type Judging, judged } from "./judged.ts"
import type { Origin } from "./origin.ts"
import {
  answer,
  breakOff,
  failureOf,
  type Request,
  type Response,
  refusedBecause,
  sandboxLeft,
} from "./refusal.ts"
import type { Routes } from "./routes.ts"
import { makeScrubber } from "./scrub.ts"
import { type Answer, type Answering, sendHttp1, sendHttp2 } from "./sending.ts"

export interface Upstream extends Judging {
  /** The routes of the current rules. */
  readonly routes: () => Routes
}

/** In HTTP/2 the end of the stream shows whether a request has a body, and not a header. */
const framing = (request: Request): OutgoingHttpHeaders =>
  "stream" in request
    ? framingOf(request.headers, !request.stream.endAfterHeaders)
    : framingOf(request.headers)

/** The options of a request by HTTP/1.1. */
export const optionsOf = (
  request: Request,
  { protocol, host, port }: Origin,
  { method, target: path, headers }: Judged,
  { routes }: Upstream,
): RequestOptions => {
  const { http, https } = routes()
  return {
    ...{ host, port, method, path, headers: { ...headers, ...framing(request) } },
    ...(protocol === "https" ? { agent: https, servername: host } : { agent: http }),
  }
}

/** The connection (HTTP/1.1) or the stream (HTTP/2) of a response. When it is closed, nobody waits for the response. */
const lineOf = (response: Response): Duplex =>
  "stream" in response ? response.stream : response.req.socket

/** Whether a stream closed after its whole response. Node finishes a cancelled stream too. */
const isAnswered = (response: Response) =>
  "stream" in response && response.stream.writableFinished && !response.stream.aborted

/** Calls back when a request is sent completely, or will not be. */
const whenSent = (sending: Writable, then: () => void) => {
  if (sending.writableFinished || sending.destroyed) then()
  else sending.once("finish", then).once("close", then)
}

const setHeaders = (response: Response, headers: OutgoingHttpHeaders) => {
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) response.setHeader(name, value)
  }
}

/** Passes a destination's answer back to the sandbox. */
const passBack = (
  { status, headers, body, isWhole }: Answer,
  response: Response,
  hidden: ReadonlyArray<string>,
  exchange: Exchange,
  onDone: () => void,
) => {
  response.statusCode = status
  setHeaders(response, responseHeaders(headers, hidden))
  exchange.charge(sizeOf(headers))
  if (isWhole) {
    response.end()
    body.resume()
    onDone()
    return
  }
  // In HTTP/2 the sandbox may need the headers before it sends more.
  if ("stream" in response) response.writeHead(status)
  counted(body, exchange.received)
  // Registered before the body ends the response, which would look as if the sandbox had left.
  body.on("close", () => {
    if (!body.readableEnded)
      exchange.close("failed", { status, reason: "the response ended early" })
  })
  const done = (error?: NodeJS.ErrnoException | null) => {
    if (error) breakOff(response)
    else onDone()
  }
  if (hidden.length > 0) pipeline(body, makeScrubber(hidden), response, done)
  else pipeline(body, response, done)
}

/** Sends an allowed request. @returns the stream for its content */
const send = async (
  request: Request,
  origin: Origin,
  allowed: Judged,
  upstream: Upstream,
  answering: Answering,
): Promise<Writable> => {
  if ("stream" in request && origin.protocol === "https") {
    const session = await upstream.routes().http2.get(origin)
    // The rules may have changed meanwhile.
    answering.signal.throwIfAborted()
    if (session !== undefined) {
      const { headers, stream } = request
      const sent = asHttp2(allowed, headers["te"])
      return sendHttp2(session, sent, !stream.endAfterHeaders, answering)
    }
  }
  return sendHttp1(origin.protocol, optionsOf(request, origin, allowed, upstream), answering)
}

/**
 * Passes a request on and its response back. Uses HTTP/2 if the request came by HTTP/2 and the
 * destination supports it.
 */
export const forward = async (
  request: Request,
  response: Response,
  origin: Origin,
  upstream: Upstream,
): Promise<void> => {
  const allowed = await judged(request, origin, upstream)
  const { begin, hidden } = allowed
  const stop = new AbortController()
  const line = lineOf(response)
  const begun = begin(() => {
    stop.abort()
    answer(
      response,
      403,
      refusedBecause(`what was under way to ${origin.host} is no longer allowed`),
    )
    // In HTTP/1.1 the rest of the request would still come on this connection.
    if (!("stream" in response)) response.req.socket.destroy()
  })
  const onLineEnd = () => {
    if (isAnswered(response)) return
    stop.abort()
    exchange.close("failed", { reason: sandboxLeft })
  }
  const exchange: Exchange = {
    ...begun,
    close: (...outcome) => {
      // A connection of HTTP/1.1 goes on to other requests.
      line.off("close", onLineEnd)
      begun.close(...outcome)
    },
  }
  // A limit may have been reached by the headers alone.
  if (stop.signal.aborted) return
  // Its program may have left while somebody was asked about it.
  if (line.destroyed) return onLineEnd()
  const onError = (error: unknown) => {
    if (stop.signal.aborted) return
    const { status, reason } = failureOf(error)
    exchange.close(status === 403 ? "refused" : "failed", { reason })
    answer(response, status, status === 403 ? refusedBecause(reason) : `Cordon: ${reason}.`)
  }
  line.once("close", onLineEnd)
  let sending: Writable | undefined
  const answering: Answering = {
    signal: stop.signal,
    onError,
    onAddress: exchange.connected,
    onAnswer: (given) =>
      passBack(given, response, hidden, exchange, () => {
        // A destination may answer before it has the whole request, whose rest is still on its way.
        const done = () => exchange.close("done", { status: given.status })
        if (sending === undefined) done()
        else whenSent(sending, done)
      }),
    onTrailers: (trailers) => {
      if ("stream" in response) response.addTrailers(responseHeaders(trailers, hidden))
    },
  }
  sending = await send(request, origin, allowed, upstream, answering).catch((error: unknown) => {
    onError(error)
    return undefined
  })
  if (sending === undefined) return
  const stream = sending
  stop.signal.addEventListener("abort", () => stream.destroy())
  if (stream.writableEnded) return
  // The response or an error reports the end. An error must not end the request before it is
  // answered.
  request.on("error", () => stop.abort())
  counted(request, exchange.sent).pipe(stream)
}
