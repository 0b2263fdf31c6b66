import { type Duplex, finished, type Writable } from "node:stream"
import type { HostError } from "@cordon/core"
import { Deferred, Effect } from "effect"
import type { ExecConnection } from "../DockerEngine.ts"
import { takeShared } from "./sharedReads.ts"

/** Writes pieces with one system call. `done` is called when all have been written, or can't be. */
export const writeTogether = (
  stream: Writable,
  pieces: ReadonlyArray<Uint8Array>,
  done: (cause?: Error | null) => void,
): void => {
  stream.cork()
  pieces.forEach((piece, at) => {
    stream.write(piece, at === pieces.length - 1 ? done : undefined)
  })
  stream.uncork()
}

/** The attachment of a command over the raw connection that the engine upgraded. */
export const execConnection = (
  socket: Duplex,
  toHostError: (cause: unknown) => HostError,
): ExecConnection => {
  // A command that ends without reading its input causes a reset of the write half.
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
        if (!writable || pieces.length === 0) return resume(Effect.void)
        const sent = () => {
          socket.off("close", sent)
          resume(Effect.void)
        }
        socket.on("close", sent)
        writeTogether(socket, pieces, sent)
      }),
    end: Effect.sync(() => {
      if (writable) socket.end()
    }),
  }
}
