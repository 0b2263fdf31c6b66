import { type Duplex, finished } from "node:stream"
import type { HostError } from "@cordon/core"
import { Deferred, Effect } from "effect"
import type { ExecConnection } from "../DockerEngine.ts"
import { takeShared } from "./sharedReads.ts"

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
      takeShared(socket, take)
      return { resume: () => void socket.resume(), end: Deferred.await(ended) }
    },
    write: (pieces) =>
      Effect.callback((resume) => {
        const last = pieces.at(-1)
        if (!writable || last === undefined) return resume(Effect.void)
        const sent = () => {
          socket.off("close", sent)
          resume(Effect.void)
        }
        socket.on("close", sent)
        // All of them with one call.
        socket.cork()
        for (const piece of pieces.slice(0, -1)) socket.write(piece)
        socket.write(last, sent)
        socket.uncork()
      }),
    end: Effect.sync(() => {
      if (writable) socket.end()
    }),
  }
}
