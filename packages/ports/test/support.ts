import { once } from "node:events"
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from "node:http"
import { connect, type Socket } from "node:net"
import type { Readable } from "node:stream"
import { buffer } from "node:stream/consumers"
import { portOf } from "../../../test/support/portOf.ts"
import type { Gateway, SharedPort, Sharing } from "../src/gateway.ts"
import type { Clock } from "../src/Share.ts"

/** What the server inside was sent. */
export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const answer = async (incoming: IncomingMessage, response: ServerResponse, all: Received[]) => {
  const { method = "", url = "", headers } = incoming
  const body = String(await buffer(incoming))
  all.push({ method, url, headers, body })
  response.end(`inside has ${method} ${url}`)
}

/** A sandbox whose ports lead to a server of this machine, which remembers what it gets. */
export const startInside = async (
  handle?: (incoming: IncomingMessage, response: ServerResponse) => void,
) => {
  const received: Array<Received> = []
  const sockets = new Set<Socket>()
  const dialled: Array<Socket> = []
  const server = createServer((incoming, response) => {
    if (handle === undefined) void answer(incoming, response, received)
    else handle(incoming, response)
  })
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
  })
  server.on("upgrade", (incoming: IncomingMessage, socket: Socket) => {
    const { method = "", url = "", headers } = incoming
    received.push({ method, url, headers, body: "" })
    if (url === "/refused") {
      socket.end("HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n")
      return
    }
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nset-cookie: a=b; Domain=localhost\r\n\r\nhello ",
    )
    socket.pipe(socket)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const sandbox: Sharing = {
    ports: {
      connect: async () => {
        const socket = connect(portOf(server), "127.0.0.1")
        await once(socket, "connect")
        dialled.push(socket)
        return socket
      },
    },
  }
  return {
    sandbox,
    received,
    server,
    /** Connections that the gateway has made. */
    dialled,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, "close")
    },
  }
}

/** A clock that goes on when it is told to. */
export const manualClock = () => {
  let now = Date.UTC(2026, 0, 1)
  const timers = new Set<{ readonly at: number; readonly run: () => void }>()
  const clock: Clock = {
    now: () => now,
    after: (milliseconds, run) => {
      const timer = { at: now + milliseconds, run }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
  }
  return {
    clock,
    timers,
    pass: (milliseconds: number) => {
      now += milliseconds
      for (const timer of [...timers]) {
        if (timer.at > now) continue
        timers.delete(timer)
        timer.run()
      }
    },
  }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Asked {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string | ReadonlyArray<string>>>
  readonly body?: string
}

/** The host of a shared port, as a browser sends it. */
export const hostOf = ({ origin }: Pick<SharedPort, "origin">) => new URL(origin).host

/** Waits until a stream is closed, however it ends. */
export const closing = async (stream: Readable): Promise<void> => {
  stream.resume()
  if (!stream.closed) await new Promise<void>((resolve) => stream.once("close", resolve))
}

const asking = (gateway: Gateway, share: SharedPort, { method, path, headers, body }: Asked) =>
  request({
    host: "127.0.0.1",
    port: gateway.port,
    method: method ?? "GET",
    path: path ?? "/",
    headers: {
      host: hostOf(share),
      ...headers,
      // Else Node sends that of a DELETE with nothing that says how long it is.
      ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
    },
    agent: false,
  })

/** One request, as it is: without the token, unless the test gives it. */
export const ask = async (gateway: Gateway, share: SharedPort, asked: Asked = {}) => {
  const sending = asking(gateway, share, asked)
  sending.end(asked.body)
  const [incoming]: Array<IncomingMessage> = await once(sending, "response")
  if (incoming === undefined) throw new Error("there is no response")
  const body = await buffer(incoming).then(String, () => "broken")
  const answer: Answer = { status: incoming.statusCode ?? 0, headers: incoming.headers, body }
  return answer
}

/** As `ask`, with the token. */
export const askWithToken = (gateway: Gateway, share: SharedPort, asked: Asked = {}) =>
  ask(gateway, share, { ...asked, headers: { "x-cordon-token": share.token, ...asked.headers } })

/** Asks, and hands over the response once it has begun. */
export const begin = async (gateway: Gateway, share: SharedPort, asked: Asked = {}) => {
  const headers = { "x-cordon-token": share.token, ...asked.headers }
  const sending = asking(gateway, share, { ...asked, headers })
  sending.on("error", () => {})
  sending.end()
  const [incoming]: Array<IncomingMessage> = await once(sending, "response")
  if (incoming === undefined) throw new Error("there is no response")
  incoming.on("error", () => {})
  return incoming
}

/** Says bytes to the gateway, and hears all that it answers until it closes. */
export const rawly = async (gateway: Gateway, bytes: string): Promise<string> => {
  const socket = connect(gateway.port, "127.0.0.1")
  socket.on("error", () => socket.destroy())
  socket.write(bytes, "latin1")
  const heard: Array<Buffer> = []
  socket.on("data", (piece) => heard.push(piece))
  await once(socket, "close")
  return Buffer.concat(heard).toString("latin1")
}

/** The head of a request to leave HTTP. */
export const upgradeHead = (share: SharedPort, lines: ReadonlyArray<string>, path = "/") =>
  [
    `GET ${path} HTTP/1.1`,
    `host: ${hostOf(share)}`,
    "connection: Upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ...lines,
    "\r\n",
  ].join("\r\n")

/** A connection that has asked to leave HTTP, and waits for what comes. */
export const openWebSocket = (
  gateway: Gateway,
  share: SharedPort,
  lines: ReadonlyArray<string> = [`x-cordon-token: ${share.token}`],
) => {
  const socket = connect(gateway.port, "127.0.0.1")
  socket.on("error", () => socket.destroy())
  socket.write(upgradeHead(share, lines))
  let heard = ""
  let wake = () => {}
  socket.on("data", (piece) => {
    heard += piece.toString("latin1")
    wake()
  })
  socket.on("close", () => wake())
  return {
    socket,
    /** Waits until something has come; all that came until the end where it never does. */
    until: async (text: string) => {
      while (!heard.includes(text) && !socket.closed) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return heard
    },
  }
}
