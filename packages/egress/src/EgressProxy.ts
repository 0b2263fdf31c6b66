import { Resolver } from "node:dns/promises"
import type { EventEmitter } from "node:events"
import { createServer, type IncomingMessage } from "node:http"
import { createSecureServer } from "node:http2"
import { connect, type LookupFunction } from "node:net"
import type { Duplex } from "node:stream"
import type { Authority } from "./authority.ts"
import { lookupOpen } from "./destinations.ts"
import { Exchanges, type ExchangesOptions } from "./Exchanges.ts"
import { forward, type Upstream } from "./forward.ts"
import { readServerName } from "./greeting.ts"
import { type Origin, parseHost } from "./origin.ts"
import type { Placeholders } from "./placeholders.ts"
import { isInspected, type Policy } from "./policy.ts"
import {
  Refusal,
  type Request,
  type Response,
  refuse,
  refusedBecause,
  sandboxLeft,
} from "./refusal.ts"
import { makeRoutes, type Routes, retire } from "./routes.ts"
import { silence } from "./sending.ts"
import { type Passage, Transparent } from "./transparent.ts"
import { join, joinAfter } from "./tunnel.ts"
import { upgrade } from "./upgrade.ts"
import { within } from "./within.ts"

export interface ProxyOptions extends ExchangesOptions {
  readonly policy: Policy
  readonly authority: Authority
  readonly placeholders: Placeholders
  /** Addresses by name, for names that this machine's resolver does not know. */
  readonly hosts: Readonly<Record<string, string>>
  /** Certificate authorities for destinations, as PEM, besides those that Node trusts. */
  readonly ca: ReadonlyArray<string> | undefined
  /** Milliseconds for a greeting: of a client, and of a destination. Default: 10,000. */
  readonly greeting?: number | undefined
}

const headerBytes = 32 * 1024
// Requests of one connection of HTTP/1.1 that wait for their answers, and streams of HTTP/2.
const mostPipelined = 64

const nothingAsked = (host: string) =>
  `the program ended the connection before it asked for anything; if it pins certificates, or trusts no authority but its own, give ${host} a rule without any field`

const limits = {
  maxHeaderSize: headerBytes,
  // Requests that two servers may read in two ways are refused.
  insecureHTTPParser: false,
  requireHostHeader: true,
} as const

const say = (socket: Duplex, status: string, text: string) => {
  const body = `${text}\n`
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nx-cordon-refused: true\r\nconnection: close\r\n\r\n${body}`,
  )
}

const requireName = (text: string, otherwise: number) => {
  const named = parseHost(text, otherwise)
  if (named !== undefined) return named
  throw new Refusal(403, refusedBecause("addresses are on no list of destinations; use names"))
}

/** The origin of an unencrypted request, which has its full URL. Afterwards `request.url` is the path. */
const originOfUrl = (request: Request): Origin => {
  const url = URL.parse(request.url ?? "")
  if (url === null || url.protocol !== "http:" || url.username !== "" || url.password !== "") {
    throw new Refusal(
      400,
      "Cordon: this is a proxy; set HTTP_PROXY and HTTPS_PROXY, and use http:// and https:// addresses.",
    )
  }
  const named = requireName(url.host, 80)
  request.url = request.url?.slice(request.url.indexOf("/", "http://".length)) ?? ""
  if (!request.url.startsWith("/")) request.url = `/${url.search}`
  return { protocol: "http", ...named }
}

/** The egress proxy of one sandbox: an HTTP proxy that gets the connections of the sandbox's programs. */
export class EgressProxy {
  readonly exchanges: Exchanges
  readonly #options: ProxyOptions
  readonly #greeting: number
  readonly #server = createServer({ ...limits })
  readonly #transparent: Transparent
  readonly #upstream: Upstream
  #routes: Routes
  #lookup: LookupFunction
  // Milliseconds for each try.
  readonly #resolver = new Resolver({ timeout: 3000, tries: 2 })
  readonly #sockets = new Set<Duplex>()
  readonly #waiting = new WeakMap<Duplex, number>()

  constructor(options: ProxyOptions) {
    this.#options = options
    this.#greeting = options.greeting ?? 10_000
    this.exchanges = new Exchanges(options.policy, options)
    this.#lookup = this.#lookupOf(options.policy)
    this.#routes = this.#routesOf()
    const { placeholders } = options
    this.#upstream = { exchanges: this.exchanges, placeholders, routes: () => this.#routes }
    this.#transparent = new Transparent(
      {
        exchanges: this.exchanges,
        greeting: this.#greeting,
        inspect: (socket, origin) => this.#inspect(socket, origin),
        tunnel: (...to) => this.#tunnel(...to),
      },
      limits,
    )
    this.#serve(this.#server, originOfUrl)
    this.#serve(this.#transparent.http, (request) => this.#transparent.originOf(request))
    for (const server of [this.#server, this.#transparent.http]) {
      server.on("clientError", (_, socket: Duplex) => {
        if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
      })
    }
    this.#server.on("connect", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (head.length > 0) socket.unshift(head)
      this.#connect(request, socket).catch((error: unknown) => this.#refuse(socket, error))
    })
  }

  /** Takes a connection of a program inside. */
  readonly take = (socket: Duplex): void => {
    this.#keep(socket)
    this.#server.emit("connection", socket)
  }

  /** Takes a connection of a program inside that uses no proxy, and connected to a port. */
  readonly takeTransparent = (port: number, socket: Duplex): void => {
    this.#keep(socket)
    this.#transparent.take(port, socket).catch(() => socket.destroy())
  }

  /** Replaces the rules. */
  update(policy: Policy): void {
    const before = this.#routes
    this.#lookup = this.#lookupOf(policy)
    this.#routes = this.#routesOf()
    this.exchanges.update(policy)
    // These connections were made under the old rules.
    retire(before)
  }

  /** Ends everything in progress. */
  close(): void {
    this.exchanges.close()
    for (const socket of this.#sockets) socket.destroy()
    retire(this.#routes)
    this.#resolver.cancel()
    this.#server.close()
    this.#transparent.http.close()
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket)
    // Servers and pipelines in both directions listen for its end: more than Node expects.
    socket.setMaxListeners(30)
    socket.on("error", () => socket.destroy())
    socket.on("close", () => this.#sockets.delete(socket))
  }

  /** Answers the requests of a server's clients. */
  #serve(server: EventEmitter, originOf: (request: Request) => Origin): void {
    server.on("request", (request: Request, response: Response) => {
      if (!this.#admit(request, response)) return
      const answer = async () => forward(request, response, originOf(request), this.#upstream)
      answer().catch((error: unknown) => refuse(response, error))
    })
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const answer = async () => upgrade(request, socket, head, originOf(request), this.#upstream)
      answer().catch((error: unknown) => this.#refuse(socket, error))
    })
  }

  #lookupOf(policy: Policy) {
    return lookupOpen(policy, this.#options.hosts, this.#resolver)
  }

  #routesOf(): Routes {
    const { ca } = this.#options
    return makeRoutes({ lookup: this.#lookup, ca, greeting: this.#greeting, headerBytes })
  }

  /** Whether a connection has few enough requests that wait for their answers; ends it otherwise. */
  #admit(request: Request, response: Response): boolean {
    // HTTP/2 has its own limit.
    if ("stream" in request) return true
    const { socket } = request
    const count = (this.#waiting.get(socket) ?? 0) + 1
    // Each request in progress listens for its end.
    socket.setMaxListeners(2 * mostPipelined)
    this.#waiting.set(socket, count)
    response.once("close", () => this.#waiting.set(socket, (this.#waiting.get(socket) ?? 1) - 1))
    if (count > mostPipelined) socket.destroy()
    return count <= mostPipelined
  }

  #refuse(socket: Duplex, error: unknown): void {
    if (error instanceof Refusal) say(socket, `${error.status} Refused`, error.message)
    else socket.destroy()
  }

  async #connect(request: IncomingMessage, socket: Duplex): Promise<void> {
    const { host, port } = requireName(request.url ?? "", 443)
    const rules = this.exchanges.rulesFor(host, port)
    const established = "HTTP/1.1 200 Connection established\r\n\r\n"
    if (rules.length > 0 && isInspected(rules)) {
      socket.write(established)
      return this.#inspect(socket, { protocol: "https", host, port })
    }
    const allowed = await this.exchanges.judge({ host, port })
    if (typeof allowed === "string") throw new Refusal(403, refusedBecause(allowed))
    socket.write(established)
    // From now on changed rules end it, also before its greeting.
    const exchange = allowed.begin(() => socket.destroy())
    const name = await within(this.#greeting, readServerName(socket))
    if (socket.destroyed) return exchange.close("failed", { reason: sandboxLeft })
    // The server may have many names, and would use another one than the checked name.
    if (name?.toLowerCase() !== host) {
      exchange.close("refused", {
        reason: `the connection must be TLS and name the host ${host} (SNI)`,
      })
      socket.destroy()
      return
    }
    this.#tunnel(socket, { host, port }, exchange)
  }

  readonly #tunnel: Passage["tunnel"] = (socket, { host, port }, exchange, prepare) => {
    const other = connect({ host, port, lookup: this.#lookup, timeout: silence, noDelay: true })
    other.on("connect", () => {
      if (other.remoteAddress !== undefined) exchange.connected(other.remoteAddress)
    })
    other.on("timeout", () => other.destroy())
    if (prepare === undefined) join(socket, other, exchange)
    else joinAfter(prepare, socket, other, exchange)
  }

  /**
   * Acts as the server for a client that trusts this sandbox's authority, and connects to the real
   * server itself.
   */
  async #inspect(socket: Duplex, origin: Origin): Promise<void> {
    const context = await this.#options.authority.contextOf(origin.host)
    const server = createSecureServer({
      ...limits,
      allowHTTP1: true,
      handshakeTimeout: this.#greeting,
      settings: { maxConcurrentStreams: mostPipelined, maxHeaderListSize: headerBytes },
      SNICallback: (name, done) => {
        if (name.toLowerCase() === origin.host) done(null, context)
        else done(new Error("another name than the connection is to"))
      },
    })
    this.#serve(server, () => origin)
    // Some programs report that they distrust a certificate, others just close the connection.
    let hasAsked = false
    for (const event of ["request", "upgrade"]) server.once(event, () => (hasAsked = true))
    socket.once("close", () => {
      if (hasAsked) return
      const { host, port } = origin
      this.exchanges.failed({ host, port }, nothingAsked(host))
    })
    for (const event of ["tlsClientError", "sessionError", "clientError"])
      server.on(event, () => socket.destroy())
    // Otherwise HTTP/2 would not notice that a program inside is gone, and would keep its streams
    // open.
    socket.allowHalfOpen = false
    server.emit("connection", socket)
  }
}
