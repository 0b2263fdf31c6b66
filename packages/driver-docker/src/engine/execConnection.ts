import { type Duplex, finished } from "node:stream"
import { giveBack, type HostError } from "@cordon/core"
import { Deferred, Effect } from "effect"
import type { ExecConnection } from "../DockerEngine.ts"

// Bytes of standard input that wait to be sent before the sender has to.
const mostWaiting = 1024 * 1024

const bytesOf = (chunk: Uint8Array | string) =>
  typeof chunk === "string" ? Buffer.from(chunk) : chunk

/** The attachment of a command over the raw connection that the engine upgraded to it. */
export const execConnection = (
  socket: Duplex,
  toHostError: (cause: unknown) => HostError,
): ExecConnection => {
  // A command that ends without reading its input resets the connection's other half.
  let writable = true
  const stopWriting = () => {
    writable = false
  }
  socket.on("error", stopWriting)
  socket.on("close", stopWriting)
  return {
    receive: (take) => {
      const ended = Deferred.makeUnsafe<void, HostError>()
      finished(socket, { writable: false }, (cause) =>
        Deferred.doneUnsafe(ended, cause ? Effect.fail(toHostError(cause)) : Effect.void),
      )
      socket.on("data", (chunk: Uint8Array | string) => {
        if (!take(bytesOf(chunk))) socket.pause()
      })
      return { resume: () => void socket.resume(), end: Deferred.await(ended) }
    },
    write: (bytes) =>
      Effect.callback((resume) => {
        const sent = () => giveBack(bytes)
        if (!writable) {
          sent()
          return resume(Effect.void)
        }
        // What waits is then sent with one call; each wait costs a turn of the event loop.
        if (socket.write(bytes, sent) || socket.writableLength < mostWaiting) {
          return resume(Effect.void)
        }
        const ready = () => {
          for (const event of ["drain", "close", "error"]) socket.off(event, ready)
          resume(Effect.void)
        }
        for (const event of ["drain", "close", "error"]) socket.on(event, ready)
      }),
    end: Effect.sync(() => {
      if (writable) socket.end()
    }),
  }
}
