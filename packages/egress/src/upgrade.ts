import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { optionsOf, type Upstream } from "./forward.ts"
import { responseHeaders } from "./headers.ts"
import { judged } from "./judged.ts"
import type { Origin } from "./origin.ts"
import { failureOf, Refusal, sandboxLeft } from "./refusal.ts"
import { makeScrubber } from "./scrub.ts"
import { requestTo } from "./sending.ts"
import { join } from "./tunnel.ts"

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
  const allowed = await judged(request, origin, upstream)
  const { begin, hidden } = allowed
  const options = optionsOf(request, origin, allowed, upstream)
  const exchange = begin(() => socket.destroy())
  const leave = () => exchange.close("failed", { reason: sandboxLeft })
  // Its program may have left while somebody was asked about it.
  if (socket.destroyed) return leave()
  const sending = requestTo(
    origin.protocol,
    { ...options, headers: { ...options.headers, connection: "Upgrade", upgrade: "websocket" } },
    exchange.connected,
  )
  const end = (status: string, reason: string) => {
    exchange.close("failed", { reason })
    if (socket.writable) {
      socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    }
  }
  const onClose = () => {
    sending.destroy()
    leave()
  }
  socket.on("close", onClose)
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
    socket.off("close", onClose)
    const lines = Object.entries(responseHeaders(incoming.headers, hidden)).flatMap(
      ([name, value]) => [value ?? []].flat().map((one) => `${name}: ${one}\r\n`),
    )
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n${lines.join("")}\r\n`,
      "latin1",
    )
    exchange.sent(head.length)
    other.write(head)
    // Its first bytes pass the scrubber with the others.
    other.unshift(first)
    join(socket, other, exchange, makeScrubber(hidden), 101)
  })
  sending.end()
}
