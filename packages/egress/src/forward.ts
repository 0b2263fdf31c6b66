import type {
  Agent as HttpAgent,
  IncomingMessage,
  OutgoingHttpHeaders,
  ServerResponse,
} from "node:http"
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2"
import type { Agent as HttpsAgent, RequestOptions } from "node:https"
import { type Duplex, pipeline, type Readable, type Writable } from "node:stream"
import { framingOf } from "@cordon/core"
import { AddressRefused } from "./destinations.ts"
import type { Exchange, Exchanges } from "./Exchanges.ts"
import type { Http2Sessions } from "./Http2Sessions.ts"
import { asHttp2, requestHeaders, responseHeaders, secretsOf } from "./headers.ts"
import type { Placeholders } from "./placeholders.ts"
import type { Rule, Subject } from "./policy.ts"
import { makeScrubber } from "./scrub.ts"
import { type Answer, type Answering, requestTo, sendHttp1, sendHttp2 } from "./sending.ts"

export type Request = IncomingMessage | Http2ServerRequest
export type Response = ServerResponse | Http2ServerResponse

/** The server that a sandbox believes to be connected to. */
export interface Origin {
  readonly protocol: "http" | "https"
  /** In lower case. */
  readonly host: string
  readonly port: number
}

/** Connections to destinations under one set of rules. */
export interface Routes {
  readonly http: HttpAgent
  readonly https: HttpsAgent
  readonly http2: Http2Sessions
}

export interface Upstream {
  readonly exchanges: Exchanges
  readonly placeholders: Placeholders
  /** The routes of the current rules. */
  readonly routes: () => Routes
}

/** A request that can't be passed on, with its HTTP status. */
export class Refusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const defaultPort = { http: 80, https: 443 } as const

/** A host and its port as one name. */
const nameOf = ({ protocol, host, port }: Origin) =>
  port === defaultPort[protocol] ? host : `${host}:${port}`

/** Parses a host and its port; undefined if the host is not a name. */
export const parseHost = (
  text: string,
  otherwise: number,
): { readonly host: string; readonly port: number } | undefined => {
  const [, name, port] =
    /^([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)\.?(?::(\d{1,5}))?$/.exec(text) ?? []
  const number = port === undefined ? otherwise : Number(port)
  // Addresses are refused here: the list has names.
  if (name === undefined || /^[\d.]+$|^0x/i.test(name) || number < 1 || number > 65_535)
    return undefined
  return { host: name.toLowerCase(), port: number }
}

/**
 * The checked path is the one that the destination gets: dots and percent signs are resolved first,
 * and paths that servers are known to read in different ways are refused.
 */
const targetOf = (
  url: string,
  { protocol }: Origin,
): { readonly path: string; readonly whole: string } => {
  if (!url.startsWith("/") || url.startsWith("//") || url.includes("#") || url.includes("\\")) {
    throw new Refusal(400, "The path of the request can't be read in one way only.")
  }
  const { pathname, search } = new URL(url, `${protocol}://origin.invalid`)
  if (/%(?:2f|5c|00|25)|\/\//i.test(pathname)) {
    throw new Refusal(
      400,
      "The path of the request has encoded or repeated slashes, or an encoded percent sign, which servers read in different ways.",
    )
  }
  return { path: pathname, whole: pathname + search }
}

/** Parses a request and asks the rules about it. */
const judged = async (request: Request, origin: Origin, { exchanges }: Upstream) => {
  const authority = "authority" in request ? request.authority : request.headers.host
  const named = parseHost(authority ?? "", defaultPort[origin.protocol])
  // A request for another host would be checked by the rules of this connection's host.
  if (named?.host !== origin.host || named.port !== origin.port) {
    throw new Refusal(
      421,
      `This connection is one to ${nameOf(origin)}: its requests must name no other host.`,
    )
  }
  const { path, whole } = targetOf(request.url ?? "", origin)
  const subject: Subject = {
    host: origin.host,
    port: origin.port,
    method: request.method ?? "GET",
    path,
  }
  const allowed = await exchanges.judge(subject)
  if (typeof allowed === "string") throw new Refusal(403, refusedBecause(allowed))
  if (origin.protocol === "http" && secretsOf(allowed.rule).length > 0) {
    throw new Refusal(
      403,
      refusedBecause(`${origin.host} may be used by https only, since a key goes with it`),
    )
  }
  return { allowed, whole }
}

/** The text of a refusal, for a model or a program. */
export const refusedBecause = (reason: string) =>
  `Cordon: ${reason}. The operator of this sandbox decides which destinations it can reach; neither a retry nor another route changes that.`

/** In HTTP/2 the end of the stream shows whether a request has a body, and not a header. */
const framing = (request: Request): OutgoingHttpHeaders =>
  "stream" in request
    ? framingOf(request.headers, !request.stream.endAfterHeaders)
    : framingOf(request.headers)

const headersOf = (
  request: Request,
  origin: Origin,
  rule: Rule,
  { placeholders }: Upstream,
): OutgoingHttpHeaders => requestHeaders(request.headers, nameOf(origin), rule, placeholders)

const optionsOf = (
  request: Request,
  origin: Origin,
  rule: Rule,
  whole: string,
  upstream: Upstream,
): RequestOptions => {
  const { http, https } = upstream.routes()
  return {
    host: origin.host,
    port: origin.port,
    method: request.method,
    path: whole,
    headers: { ...headersOf(request, origin, rule, upstream), ...framing(request) },
    ...(origin.protocol === "https" ? { agent: https, servername: origin.host } : { agent: http }),
  }
}

/**
 * The reason why a destination could not be reached. It reveals nothing of the operator's network
 * to the sandbox.
 */
const failureOf = (error: unknown) =>
  error instanceof AddressRefused
    ? { status: 403, reason: "its name resolves to an address that sandboxes may not reach" }
    : { status: 502, reason: "the destination failed, or its answer was not valid" }

/** Breaks a response off, so that nobody takes it for complete. */
const breakOff = (response: Response) => {
  if ("stream" in response) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  else response.destroy()
}

const isFinished = (response: Response) =>
  "stream" in response ? response.stream.writableFinished : response.writableFinished

const answer = (response: Response, status: number, text: string) => {
  if (response.headersSent) {
    breakOff(response)
    return
  }
  response.statusCode = status
  response.setHeader("content-type", "text/plain; charset=utf-8")
  response.setHeader("x-cordon-refused", "true")
  response.end(`${text}\n`)
}

/** Answers a refused request, and discards its content. */
export const refuse = (response: Response, error: unknown): void => {
  const { status, message } =
    error instanceof Refusal ? error : new Refusal(500, "Cordon: the way out failed.")
  answer(response, status, message)
}

const counted = (stream: Readable, count: Exchange["sent"]) =>
  stream.on("data", (bytes: Buffer) => void count(bytes.length))

const setHeaders = (response: Response, headers: OutgoingHttpHeaders) => {
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) response.setHeader(name, value)
  }
}

/** Passes a destination's answer back to the sandbox. */
const passBack = (
  { status, headers, body, isWhole }: Answer,
  response: Response,
  rule: Rule,
  exchange: Exchange,
) => {
  response.statusCode = status
  setHeaders(response, responseHeaders(headers, rule))
  if (isWhole) {
    response.end()
    body.resume()
    exchange.close("done", { status })
    return
  }
  // In HTTP/2 the sandbox may need the headers before it sends more.
  if ("stream" in response) response.writeHead(status)
  const secrets = secretsOf(rule)
  counted(body, exchange.received)
  // Registered before the body ends the response, which would look as if the sandbox had left.
  body.on("close", () => {
    if (!body.readableEnded)
      exchange.close("failed", { status, reason: "the response ended early" })
  })
  const done = (error?: NodeJS.ErrnoException | null) => {
    if (error) breakOff(response)
    else exchange.close("done", { status })
  }
  if (secrets.length > 0) pipeline(body, makeScrubber(secrets), response, done)
  else pipeline(body, response, done)
}

/** Sends an allowed request. @returns the stream for its content */
const send = async (
  request: Request,
  origin: Origin,
  rule: Rule,
  whole: string,
  upstream: Upstream,
  answering: Answering,
): Promise<Writable> => {
  if ("stream" in request && origin.protocol === "https") {
    const session = await upstream.routes().http2.get(origin)
    // The rules may have changed meanwhile.
    answering.signal.throwIfAborted()
    if (session !== undefined) {
      const { method, headers, stream } = request
      const own = headersOf(request, origin, rule, upstream)
      const sent = asHttp2(own, { method, path: whole, te: headers["te"] }, rule)
      return sendHttp2(session, sent, !stream.endAfterHeaders, answering)
    }
  }
  const options = optionsOf(request, origin, rule, whole, upstream)
  return sendHttp1(origin.protocol, options, answering)
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
  const { allowed, whole } = await judged(request, origin, upstream)
  const { rule, begin } = allowed
  const stop = new AbortController()
  const exchange = begin(() => {
    stop.abort()
    answer(
      response,
      403,
      refusedBecause(`what was under way to ${origin.host} is no longer allowed`),
    )
    // In HTTP/1.1 the rest of the request would still come on this connection.
    if (!("stream" in response)) response.destroy()
  })
  const onError = (error: unknown) => {
    if (stop.signal.aborted) return
    const { status, reason } = failureOf(error)
    exchange.close(status === 403 ? "refused" : "failed", { reason })
    answer(response, status, status === 403 ? refusedBecause(reason) : `Cordon: ${reason}.`)
  }
  response.on("close", () => {
    if (isFinished(response)) return
    stop.abort()
    exchange.close("failed", { reason: "the sandbox closed the connection" })
  })
  const answering: Answering = {
    signal: stop.signal,
    onError,
    onAnswer: (given) => passBack(given, response, rule, exchange),
    onTrailers: (trailers) => {
      if ("stream" in response) response.addTrailers(responseHeaders(trailers, rule))
    },
  }
  const sending = await send(request, origin, rule, whole, upstream, answering).catch(onError)
  if (sending === undefined) return
  stop.signal.addEventListener("abort", () => sending.destroy())
  if (sending.writableEnded) return
  // The response or an error reports the end. An error must not end the request before it is
  // answered.
  request.on("error", () => stop.abort())
  counted(request, exchange.sent).pipe(sending)
}

/** Passes on a connection that leaves HTTP, such as a WebSocket. */
export const upgrade = async (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  origin: Origin,
  upstream: Upstream,
): Promise<void> => {
  // Other upgrades (to HTTP/2, for example) are refused: unchecked requests could follow them.
  const {
    upgrade: protocol,
    "content-length": length,
    "transfer-encoding": coding,
  } = request.headers
  const hasBody = length !== undefined || coding !== undefined
  if (protocol?.toLowerCase() !== "websocket" || request.method !== "GET" || hasBody) {
    throw new Refusal(400, "Cordon: a connection can become one of WebSocket, and nothing else.")
  }
  const { allowed, whole } = await judged(request, origin, upstream)
  const { rule, begin } = allowed
  const options = optionsOf(request, origin, rule, whole, upstream)
  const sending = requestTo(origin.protocol, {
    ...options,
    headers: { ...options.headers, connection: "Upgrade", upgrade: "websocket" },
  })
  const exchange = begin(() => {
    sending.destroy()
    socket.destroy()
  })
  const end = (status: string, reason: string) => {
    exchange.close("failed", { reason })
    socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  }
  socket.on("error", () => sending.destroy())
  sending.on("error", (error) => {
    const { status, reason } = failureOf(error)
    end(status === 403 ? "403 Forbidden" : "502 Bad Gateway", reason)
  })
  sending.on("response", (incoming) => {
    // The rest of its content must not precede another request.
    incoming.destroy()
    end(`${incoming.statusCode ?? 502} Not Upgraded`, "the destination did not upgrade")
  })
  sending.on("upgrade", (incoming, other, first) => {
    const lines = Object.entries(responseHeaders(incoming.headers, rule)).flatMap(([name, value]) =>
      [value ?? []].flat().map((one) => `${name}: ${one}\r\n`),
    )
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n${lines.join("")}\r\n`,
    )
    exchange.sent(head.length)
    exchange.received(first.length)
    other.write(head)
    socket.write(first)
    counted(socket, exchange.sent)
    counted(other, exchange.received)
    const done = () => exchange.close("done", { status: 101 })
    pipeline(socket, other, done)
    pipeline(other, socket, done)
  })
  sending.end()
}
