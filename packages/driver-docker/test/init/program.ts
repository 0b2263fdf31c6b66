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
  write: (pieces) =>
    Effect.callback((resume) => {
      stdin.write(Buffer.concat(pieces), () => resume(Effect.void))
    }),
  close: Effect.sync(() => {
    stdin.destroy()
    stdout.destroy()
  }),
})

const ending = <R extends Running>(start: () => R) =>
  Effect.acquireRelease(Effect.sync(start), (running) =>
    Effect.promise(() => running[Symbol.asyncDispose]()),
  )

/** The program as process 1, and a connection to it. Both end with the scope. */
export const connectTo = (program: Program) =>
  Effect.flatMap(
    ending(() => program.start()),
    (running) => InitConnection.make(streamOf(running)),
  )

/** As `connectTo`, with a way to further connections, and without any network. */
export const connectTwice = (program: Program) =>
  Effect.gen(function* () {
    const init = yield* ending(() => program.start({ unshare: ["--net"] }))
    const connection = yield* InitConnection.make(streamOf(init))
    const further = Effect.flatMap(ending(init.connect), (it) => InitConnection.make(streamOf(it)))
    return { connection, further }
  })
