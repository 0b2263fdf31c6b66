import { Deferred, Effect } from "effect"
import type { Program, Running } from "../../../../init/test/support.ts"
import { InitConnection, type InitStream } from "../../src/init/InitConnection.ts"

const streamOf = ({ stdin, stdout }: Running): InitStream => ({
  receive: (take) => {
    const ended = Deferred.makeUnsafe<void>()
    stdout.on("data", (piece: Uint8Array) => {
      if (!take(piece)) stdout.pause()
    })
    stdout.on("close", () => Deferred.doneUnsafe(ended, Effect.void))
    return { end: Deferred.await(ended) }
  },
  write: (bytes) =>
    Effect.callback((resume) => {
      if (stdin.write(bytes)) return resume(Effect.void)
      stdin.once("drain", () => resume(Effect.void))
    }),
  close: Effect.sync(() => {
    stdin.destroy()
    stdout.destroy()
  }),
})

/** The program as process 1, and a connection to it. Both end with the scope. */
export const connectTo = (program: Program) =>
  Effect.acquireRelease(
    Effect.sync(() => program.start()),
    (running) => Effect.promise(() => running[Symbol.asyncDispose]()),
  ).pipe(Effect.flatMap((running) => InitConnection.make(streamOf(running))))
