import { connect, type Socket } from "node:net"
import type { Duplex } from "node:stream"

const spaceBytes = 256 * 1024
let space: Buffer | undefined

const takers = new WeakMap<Duplex, (piece: Uint8Array) => boolean>()

/**
 * Connects to a local socket, whose output is read into memory that all such connections share: Node would
 * read each piece into new memory, which piles up until it is collected. Until somebody takes its output
 * by {@link takeShared}, it comes as it does from any socket.
 */
export const connectShared = (path: string): Socket => {
  // The system fills memory by itself there, and may still do so when another connection's turn comes.
  if (process.platform === "win32") return connect({ path })
  space ??= Buffer.allocUnsafeSlow(spaceBytes)
  const memory = space
  const socket: Socket = connect({
    path,
    onread: {
      buffer: memory,
      callback: (length) => {
        const piece = memory.subarray(0, length)
        const take = takers.get(socket)
        // What the socket has buffered must be taken first.
        if (take === undefined || socket.readableLength > 0) return socket.push(Buffer.from(piece))
        return take(piece)
      },
    },
  })
  return socket
}

/**
 * Hands a connection's output to `take`, which must have done with a piece when it returns, and says whether
 * it wants another one; if not, none comes until the connection is resumed.
 */
export const takeShared = (connection: Duplex, take: (piece: Uint8Array) => boolean): void => {
  takers.set(connection, take)
  connection.on("data", (piece: Uint8Array | string) => {
    if (!take(typeof piece === "string" ? Buffer.from(piece) : piece)) connection.pause()
  })
}
