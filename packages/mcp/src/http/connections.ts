import {
  type Server as HttpServer,
  createServer as makeHttpServer,
  type RequestListener,
} from "node:http"
import type { Socket } from "node:net"

/** How long a request may take to arrive, and how many connections there may be. */
export interface ConnectionLimits {
  /** Milliseconds in which a whole request has to arrive. */
  readonly requestTimeout: number
  readonly maxConnections: number
}

const mostHeadersTimeout = 10_000

/**
 * Makes an HTTP server that slow clients can't block. It answers a slow request with 408 and closes the connection.
 * When there are too many connections, it closes the oldest one that was never let in, so that clients with the
 * right to come in always can.
 *
 * @returns `letIn` marks the connection of a client that may come in
 */
export const makeBoundedServer = (
  { requestTimeout, maxConnections }: ConnectionLimits,
  listener: RequestListener,
): { readonly server: HttpServer; readonly letIn: (socket: Socket) => void } => {
  const strangers = new Set<Socket>()
  let connected = 0
  const server = makeHttpServer(
    {
      requestTimeout,
      headersTimeout: Math.min(requestTimeout, mostHeadersTimeout),
      connectionsCheckingInterval: Math.min(Math.ceil(requestTimeout / 2), 1000),
    },
    listener,
  )
  server.on("connection", (socket: Socket) => {
    connected += 1
    strangers.add(socket)
    socket.once("close", () => {
      connected -= 1
      strangers.delete(socket)
    })
    if (connected <= maxConnections) return
    const [oldest = socket] = strangers
    oldest.destroy()
  })
  return { server, letIn: (socket) => void strangers.delete(socket) }
}
