import { connect, type Socket } from "node:net"
import type { Duplex } from "node:stream"

const spaceBytes = 256 * 1024
let space: Buffer | undefined

const takers = new WeakMap<Duplex, (piece: Uint8Array) => boolean>()

/**
 * Connects to a local socket and reads its output into memory that all such connections share. Node
 * would read each piece into new memory, which piles up until garbage collection. Until {@link
 * takeShared} is called, the connection behaves like any socket.
 */
export const connectShared = (path: string): Socket => {
  // On Windows the system fills the memory asynchronously, possibly while another connection uses
  // it.
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
        // Data that the socket already buffered must be read first.
        if (take === undefined || socket.readableLength > 0) return socket.push(Buffer.from(piece))
        return take(piece)
      },
    },
  })
  return socket
}

/**
 * Passes a connection's output to `take`. A piece is valid only until `take` returns. `take`
 * returns whether it wants another piece; if not, none comes until the connection is resumed.
 */
export const takeShared = (connection: Duplex, take: (piece: Uint8Array) => boolean): void => {
  takers.set(connection, take)
  connection.on("data", (piece: Uint8Array | string) => {
    if (!take(typeof piece === "string" ? Buffer.from(piece) : piece)) connection.pause()
  })
}
