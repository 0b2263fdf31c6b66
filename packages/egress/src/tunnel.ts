import type { Socket } from "node:net"
import { type Duplex, pipeline } from "node:stream"
import type { Exchange } from "./Exchanges.ts"

/** Passes on bytes between a program inside and a destination until both ends are closed. */
export const join = (socket: Duplex, other: Socket, exchange: Exchange): void => {
  other.on("data", (bytes) => void exchange.received(bytes.length))
  socket.on("data", (bytes: Buffer) => void exchange.sent(bytes.length))
  const done = (error?: NodeJS.ErrnoException | null) => {
    if (error) exchange.close("failed", { reason: "the connection broke" })
    if (other.closed && socket.closed) exchange.close("done")
  }
  for (const end of [other, socket]) end.on("close", () => done())
  pipeline(socket, other, done)
  pipeline(other, socket, done)
}

/**
 * As `join`, after something is done with the destination.
 *
 * @param prepare false if the destination is not as it must be
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
