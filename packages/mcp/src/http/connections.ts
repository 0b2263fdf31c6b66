import {
  type Server as HttpServer,
  createServer as makeHttpServer,
  type RequestListener,
} from "node:http"
import type { Socket } from "node:net"

/** How long a client may take to say what it wants, and how many may be connected. */
export interface ConnectionLimits {
  /** Milliseconds in which a request has to come whole. */
  readonly requestTimeout: number
  readonly maxConnections: number
}

const mostHeadersTimeout = 10_000

/**
 * An HTTP server that waits for nobody: slow requests are answered with 408 and their connections
 * closed. Where too many are connected, the oldest that was never let in makes room, so that clients
 * that may come in always can.
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
