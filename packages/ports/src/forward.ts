import {
  type ClientRequest,
  type IncomingMessage,
  request as makeRequest,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from "node:http"
import { type Duplex, pipeline, type Writable } from "node:stream"
import { Closed, framingOf, LeaseLost, PortUnreachable, SandboxNotFound } from "@cordon/core"
import type { Admitted } from "./access.ts"
import { requestHeaders, responseHeaders } from "./headers.ts"
import { headOf, Refusal, refuse, refuseUpgrade } from "./Refusal.ts"
import type { Share } from "./Share.ts"

const tooMany = () =>
  new Refusal(503, "Too many connections to this address are open. Close some, or try again later.")

/** The refusal after a failed connection to a port. If the sandbox is gone, the share ends. */
const connectionFailed = (share: Share, error: unknown) => {
  if ([SandboxNotFound, LeaseLost, Closed].some((kind) => error instanceof kind)) {
    share.end("gone")
    return new Refusal(
      410,
      "The sandbox of this address is gone. Ask for a new one where you got it.",
    )
  }
  if (error instanceof PortUnreachable) {
    return new Refusal(
      502,
      `Nothing answers on port ${share.port} of the sandbox. Start the server there, and load this page again.`,
    )
  }
  return new Refusal(502, "The sandbox can't be reached. Look whether it runs, and try again.")
}

const broken = ({ port }: Share) =>
  new Refusal(
    502,
    `What listens on port ${port} of the sandbox did not answer as a web server does.`,
  )

/** Makes a request on its own connection, so that its answer can't contain anything of another request. */
const ask = (
  request: IncomingMessage,
  { share, path }: Admitted,
  connection: Duplex,
  headers: OutgoingHttpHeaders,
): ClientRequest =>
  makeRequest({
    createConnection: () => connection,
    method: request.method,
    path,
    headers: { ...requestHeaders(request.headers, share), ...headers },
    setHost: false,
    insecureHTTPParser: false,
    maxHeaderSize: 64 * 1024,
  })

/**
 * Connects for as long as the browser's response or socket is open; undefined if the browser has
 * left.
 *
 * @param end closes the browser's response or socket
 */
const connectFor = async (
  share: Share,
  kind: Parameters<Share["begin"]>[0],
  waiting: Writable,
  end: () => void,
): Promise<Duplex | undefined> => {
  const done = share.begin(kind, end)
  if (done === undefined) throw tooMany()
  const leaving = new AbortController()
  let connection: Duplex | undefined
  const leave = () => {
    done()
    leaving.abort()
    connection?.destroy()
  }
  if (waiting.closed) leave()
  else waiting.once("close", leave)
  if (leaving.signal.aborted) return undefined
  try {
    connection = await share.connect(leaving.signal)
  } catch (error) {
    // The end of the share must not cut this answer off.
    done()
    throw connectionFailed(share, error)
  }
  connection.on("error", () => {})
  if (!leaving.signal.aborted) return connection
  connection.destroy()
  return undefined
}

/**
 * The status of a final response; undefined for others. For servers in front of this one, a
 * connection leaves HTTP with 101.
 */
const statusOf = ({ statusCode = 0 }: IncomingMessage) =>
  statusCode < 200 ? undefined : statusCode

/** Passes a request on, and its response back. */
export const forward = async (
  request: IncomingMessage,
  response: ServerResponse,
  admitted: Admitted,
): Promise<void> => {
  const { share } = admitted
  const connection = await connectFor(share, "request", response, () => response.destroy())
  if (connection === undefined) return
  const sending = ask(request, admitted, connection, framingOf(request.headers))
  sending.on("error", () => refuse(response, broken(share)))
  sending.on("response", (incoming) => {
    const status = statusOf(incoming)
    if (status === undefined) {
      sending.destroy(new Error("it left HTTP unasked"))
      return
    }
    response.writeHead(status, responseHeaders(incoming.headers))
    // Sends the headers at once: a streamed response may have no data for a while.
    response.flushHeaders()
    pipeline(incoming, response, () => connection.destroy())
  })
  // The response or an error reports its end.
  pipeline(request, sending, () => {})
}

/** Joins two connections in both directions, until either is closed. */
const join = (one: Duplex, other: Duplex) => {
  pipeline(one, other, () => {})
  pipeline(other, one, () => {})
}

/** Passes on a WebSocket. */
export const forwardUpgrade = async (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  admitted: Admitted,
): Promise<void> => {
  const { share } = admitted
  const connection = await connectFor(share, "websocket", socket, () => socket.destroy())
  if (connection === undefined) return
  const upgrade = { connection: "Upgrade", upgrade: "websocket" }
  const sending = ask(request, admitted, connection, upgrade)
  let isAnswered = false
  sending.on("error", () => {
    if (isAnswered) socket.destroy()
    else refuseUpgrade(socket, broken(share))
  })
  sending.on("response", (incoming) => {
    const status = statusOf(incoming)
    if (status === undefined) {
      sending.destroy(new Error("it left HTTP in part"))
      return
    }
    isAnswered = true
    const headers = { ...responseHeaders(incoming.headers), connection: "close" }
    socket.write(headOf(status, headers), "latin1")
    pipeline(incoming, socket, () => connection.destroy())
  })
  sending.on("upgrade", (incoming, inside, first) => {
    isAnswered = true
    socket.write(headOf(101, { ...responseHeaders(incoming.headers), ...upgrade }), "latin1")
    socket.write(first)
    inside.write(head)
    join(socket, inside)
  })
  sending.end()
}
