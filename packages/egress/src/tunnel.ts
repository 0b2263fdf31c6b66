import type { Socket } from "node:net"
import { type Duplex, pipeline } from "node:stream"
import { counted, type Exchange } from "./Exchanges.ts"

/**
 * Passes on bytes between a program inside and a destination until both ends are closed.
 *
 * @param through what the destination's bytes go through
 * @param status the HTTP status that a WebSocket began with; absent for a tunnel
 */
export const join = (
  socket: Duplex,
  other: Duplex,
  exchange: Exchange,
  through?: Duplex,
  status?: number,
): void => {
  counted(other, exchange.received)
  counted(socket, exchange.sent)
  const done = (error?: NodeJS.ErrnoException | null) => {
    // The two sides of a WebSocket may close without waiting for each other.
    if (error && status === undefined) exchange.close("failed", { reason: "the connection broke" })
    if (other.closed && socket.closed) exchange.close("done", { status })
  }
  for (const end of [other, socket]) {
    // Pipelines in both directions listen for its end: more than Node expects.
    end.setMaxListeners(30)
    end.on("close", () => done())
  }
  pipeline(socket, other, done)
  if (through === undefined) pipeline(other, socket, done)
  else pipeline(other, through, socket, done)
}

/**
 * As `join`, after the connection to the destination is prepared.
 *
 * @param prepare false ends both connections
 */
export const joinAfter = (
  prepare: (other: Socket) => Promise<boolean>,
  socket: Duplex,
  other: Socket,
  exchange: Exchange,
): void => {
  const fail = () => {
    exchange.close("failed", {
      reason: "the destination does not offer TLS, or can't be reached",
    })
    for (const end of [other, socket]) end.destroy()
  }
  other.on("error", fail)
  socket.once("close", fail)
  prepare(other).then((isReady) => {
    if (!isReady) return fail()
    other.off("error", fail)
    socket.off("close", fail)
    join(socket, other, exchange)
  }, fail)
}
