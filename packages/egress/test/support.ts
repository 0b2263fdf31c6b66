import { once } from "node:events"
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http"
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  createSecureServer,
  Http2ServerResponse,
  type OutgoingHttpHeaders,
} from "node:http2"
import { createServer as createHttps } from "node:https"
import { connect as connectTcp, createServer as createTcp, type Socket } from "node:net"
import { type Duplex, pipeline, Readable } from "node:stream"
import { buffer } from "node:stream/consumers"
import { connect as connectTls, type TLSSocket } from "node:tls"
import type { EgressAttempt, EgressRules } from "@cordon/core"
import { Effect } from "effect"
import { afterAll, assert } from "vitest"
import { makeAuthority as makeTestAuthority } from "../../../test/support/certificates.ts"
import { portOf } from "../../../test/support/portOf.ts"
import { makeAuthority } from "../src/authority.ts"
import { EgressProxy } from "../src/EgressProxy.ts"
import type { Ask } from "../src/Exchanges.ts"
import { Placeholders } from "../src/placeholders.ts"
import { parsePolicy } from "../src/policy.ts"
import type { Request, Response } from "../src/refusal.ts"

export const names = ["api.test", "other.test", "deep.api.test", "inside.test"] as const

/** What a destination was sent. */
export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly version: string
}

/** Bytes without end, of which only those are made that somebody takes. */
export const made = { bytes: 0 }
function* endless() {
  const piece = Buffer.alloc(64 * 1024)
  while (true) {
    made.bytes += piece.length
    yield piece
  }
}

/** A server of all names, which tells what it gets. It repeats the header `authorization` in its answer. */
export const startDestination = async ({ hasHttp2 = true } = {}): Promise<Destination> => {
  const authority = makeTestAuthority("Destinations")
  const received: Array<Received> = []
  const { cert, key } = authority.server(names.map((name) => `DNS:${name}`))
  const sockets = new Set<Socket>()
  const answer = async (incoming: Request, response: Response) => {
    const { method = "", url = "", headers, httpVersion: version } = incoming
    if (url === "/echo" || url === "/endless") {
      received.push({ method, url, headers, body: "", version })
      response.setHeader("content-type", "application/grpc")
      if (response instanceof Http2ServerResponse) {
        response.writeHead(200)
        response.addTrailers({ "grpc-status": "0", "x-told": String(headers.authorization) })
      }
      if (url === "/echo") pipeline(incoming, response, () => {})
      else pipeline(Readable.from(endless()), response, () => {})
      return
    }
    if (url === "/trailers-only") {
      if (response instanceof Http2ServerResponse) {
        response.stream.respond({ ":status": 200, "grpc-status": "5" }, { endStream: true })
      }
      return
    }
    if (url === "/elsewhere") {
      response.statusCode = 302
      response.setHeader("location", `https://other.test:${portOf(server)}/`)
      response.end()
      return
    }
    const body = await buffer(incoming).then(String, () => "broken")
    received.push({ method, url, headers, body, version })
    response.setHeader("x-told", String(headers.authorization ?? headers["x-key"] ?? ""))
    response.end(
      `you said ${headers.authorization ?? headers["x-key"] ?? "nothing"} and ${body.length} bytes`,
    )
  }
  const server = hasHttp2
    ? createSecureServer({ allowHTTP1: true, cert, key }, answer)
    : createHttps({ cert, key }, answer)
  server.on("upgrade", (_: IncomingMessage, socket: Duplex) => {
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n",
    )
    socket.pipe(socket)
  })
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    port: portOf(server),
    ca: authority.ca,
    received,
    connections: sockets,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, "close")
    },
  }
}
/** A server outside. */
export interface Destination extends AsyncDisposable {
  readonly port: number
  readonly ca: string
  readonly received: Array<Received>
  readonly connections: ReadonlySet<Socket>
}

export const key = "sk-the-key-that-nobody-inside-has"

/** A destination for all tests of a file, and its names with its port. */
export const startForFile = async () => {
  const destination = await startDestination()
  afterAll(() => destination[Symbol.asyncDispose]())
  const at = (name: string, port = destination.port) => `${name}:${port}`
  /** Rules by which one name gets a key, and another one is not inspected. */
  const withKey = (): EgressRules => ({
    allow: {
      [at("api.test")]: { headers: { authorization: `Bearer ${key}` } },
      [at("other.test")]: {},
    },
  })
  return { destination, at, withKey }
}

/** A proxy on a port of its own: what the programs of one sandbox reach. */
export const startProxy = async (
  destination: Destination,
  rules: EgressRules,
  options: {
    readonly ask?: Ask
    readonly patience?: number
    readonly greeting?: number
    readonly hosts?: Readonly<Record<string, string>>
  } = {},
) => {
  const attempts: Array<EgressAttempt> = []
  const authority = await makeAuthority()
  const placeholders = new Placeholders()
  const parse = (given: EgressRules) =>
    Effect.runSync(parsePolicy({ allowAddresses: ["127.0.0.0/8"], ...given }))
  const policy = parse(rules)
  const proxy = new EgressProxy({
    policy,
    authority,
    placeholders,
    hosts: options.hosts ?? Object.fromEntries(names.map((name) => [name, "127.0.0.1"])),
    ca: [destination.ca],
    ask: options.ask,
    patience: options.patience ?? 1000,
    greeting: options.greeting,
    onAttempt: (attempt) => void attempts.push(attempt),
  })
  let sockets = 0
  const server = createTcp({ allowHalfOpen: true }, (socket) => {
    sockets++
    socket.on("close", () => sockets--)
    proxy.take(socket)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    proxy,
    attempts,
    authority,
    env: placeholders.env(policy),
    port: portOf(server),
    /** How many connections from inside are open. */
    sockets: () => sockets,
    update: (next: EgressRules) => proxy.update(parse(next)),
    [Symbol.asyncDispose]: async () => {
      proxy.close()
      server.close()
      await once(server, "close")
    },
  }
}
export type TestProxy = Awaited<ReturnType<typeof startProxy>>

/** Says bytes to the proxy, and hears all that it answers. */
export const rawly = async (proxy: TestProxy, bytes: string): Promise<string> => {
  const socket = connectTcp(proxy.port, "127.0.0.1")
  socket.on("error", () => socket.destroy())
  socket.write(bytes)
  const heard: Array<Buffer> = []
  socket.on("data", (piece) => heard.push(piece))
  await once(socket, "close")
  return Buffer.concat(heard).toString()
}

/** Asks for a way to a destination. */
export const tunnelTo = async (proxy: TestProxy, target: string) => {
  const asking = request({
    port: proxy.port,
    host: "127.0.0.1",
    method: "CONNECT",
    path: target,
    agent: false,
  }).end()
  const [response, socket]: [IncomingMessage, Socket] = await Promise.race([
    once(asking, "connect") as Promise<[IncomingMessage, Socket]>,
    once(asking, "response").then(
      ([answer]) => [answer, asking.socket] as [IncomingMessage, Socket],
    ),
  ])
  socket.on("error", () => socket.destroy())
  return { status: response.statusCode ?? 0, socket }
}

/** Speaks TLS through a way. */
export const secured = async (
  socket: Socket,
  options: {
    readonly servername: string
    readonly ca: string
    readonly alpn?: ReadonlyArray<string> | undefined
  },
): Promise<TLSSocket> => {
  const tls = connectTls({
    socket,
    servername: options.servername,
    ca: options.ca,
    ALPNProtocols: [...(options.alpn ?? ["http/1.1"])],
  })
  await Promise.race([
    once(tls, "secureConnect"),
    once(tls, "close").then(() => Promise.reject(new Error("closed"))),
  ])
  return tls
}

/** Speaks TLS to a destination, by default one that the proxy inspects. */
export const tlsTo = async (
  proxy: TestProxy,
  { port }: Pick<Destination, "port">,
  options: {
    readonly to?: string
    readonly ca?: string
    readonly alpn?: ReadonlyArray<string>
  } = {},
): Promise<TLSSocket> => {
  const { to: servername = "api.test", ca = proxy.authority.certificate, alpn } = options
  const { socket } = await tunnelTo(proxy, `${servername}:${port}`)
  return secured(socket, { servername, ca, alpn })
}

/** Fails if a connection gets through. */
export const cutOff = (connecting: Promise<unknown>): Promise<void> =>
  connecting.then(
    () => assert.fail("it got through"),
    () => {},
  )

/** The request for a WebSocket. */
export const webSocketRequest = (host: string): string =>
  `GET /ws HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Asked {
  readonly host?: string
  readonly to?: string
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** One request over HTTPS, as a program inside makes it. */
export const ask = async (
  proxy: TestProxy,
  destination: Destination,
  { to = "api.test", host, method = "GET", path = "/", headers = {}, body = "" }: Asked = {},
): Promise<Answer> => {
  const target = `${to}:${destination.port}`
  const { status, socket } = await tunnelTo(proxy, target)
  if (status !== 200) {
    socket.destroy()
    return { status, headers: {}, body: "" }
  }
  const tls = await secured(socket, { servername: to, ca: proxy.authority.certificate })
  const asking = request({
    createConnection: () => tls,
    method,
    path,
    headers: { host: host ?? target, ...headers },
  })
  asking.end(body)
  const [response]: [IncomingMessage] = (await once(asking, "response")) as [IncomingMessage]
  const text = await buffer(response).then(String, () => "broken")
  tls.destroy()
  return { status: response.statusCode ?? 0, headers: response.headers, body: text }
}

/** A connection of HTTP/2 to a destination, as a program inside makes it. */
export const http2To = async (
  proxy: TestProxy,
  destination: Destination,
  to = "api.test",
): Promise<ClientHttp2Session & AsyncDisposable> => {
  const tls = await tlsTo(proxy, destination, { to, alpn: ["h2"] })
  const session = connectHttp2(`https://${to}:${destination.port}`, {
    createConnection: () => tls,
  })
  session.on("error", () => {})
  return Object.assign(session, { [Symbol.asyncDispose]: async () => session.destroy() })
}

/** As `ask`, by HTTP/2, with any pseudo-headers. */
export const askHttp2 = async (
  proxy: TestProxy,
  destination: Destination,
  headers: OutgoingHttpHeaders,
  body = "",
): Promise<Answer> => {
  await using session = await http2To(proxy, destination)
  const stream = session.request(
    { ":method": "GET", ":path": "/", ...headers },
    { endStream: body === "" },
  )
  if (body !== "") stream.end(body)
  const failed = { ":status": 400 }
  const [answered] = (await once(stream, "response").catch(() => [failed])) as [
    IncomingHttpHeaders & { ":status"?: number },
  ]
  const text = await buffer(stream).then(String, () => "")
  return { status: answered[":status"] ?? 0, headers: answered, body: text }
}
