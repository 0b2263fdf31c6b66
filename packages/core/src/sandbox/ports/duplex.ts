import { Duplex } from "node:stream"
import { Effect, Fiber, Stream } from "effect"
import type { PortConnection } from "../../values/PortConnection.ts"
import { untilIdle } from "./relay.ts"

// As long as a kernel waits for the other side of a connection that was closed.
const lastBytes = "1 minute"

/** Has a stream taken more, in the words that streams of Node have for it. */
type Taken = (error?: Error | null) => void

/**
 * A connection as a stream of Node, as `net` gives one: each side ends by itself, and the stream is closed when both have.
 * It lives for as long as the effect runs that is returned with it: that ends when the stream is closed.
 */
export const duplexOf = <E extends Error>(
  connection: PortConnection<E>,
): {
  /** The connection. Nothing is read from it before `closed` runs. */
  readonly stream: Duplex
  /** Carries the bytes, and ends when the stream is closed. Interrupting it closes the stream. */
  readonly closed: Effect.Effect<void>
} => {
  let moves = 0
  let isWanted = false
  let wake: () => void = () => {}
  const stream = new Duplex({
    allowHalfOpen: true,
    // Closed where one side has broken, too: nobody waits for the other.
    autoDestroy: true,
    read: () => {
      isWanted = true
      wake()
    },
    write: (bytes: Uint8Array, _, taken: Taken) => {
      moves += 1
      Effect.runFork(Effect.onExit(connection.write(bytes), () => Effect.sync(() => taken())))
    },
    final: (taken: Taken) => {
      Effect.runFork(Effect.onExit(connection.end, () => Effect.sync(() => taken())))
    },
  })
  // Who reads slowly holds up the program inside, and nobody else.
  const wanted = Effect.callback<void>((resume) => {
    wake = () => resume(Effect.void)
    if (isWanted) wake()
  })
  const take = (bytes: Uint8Array) =>
    Effect.suspend(() => {
      moves += 1
      isWanted = false
      return stream.push(bytes) ? Effect.void : wanted
    })
  const reading = Stream.runForEach(connection.output, take).pipe(
    Effect.andThen(Effect.sync(() => stream.push(null))),
    Effect.catch((error) => Effect.sync(() => stream.destroy(error))),
  )
  const gone = Effect.callback<void>((resume) => {
    if (stream.closed) return resume(Effect.void)
    // Its consumer may listen for none.
    stream.on("error", () => {})
    stream.once("close", () => resume(Effect.void))
  })
  const closed = Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(reading)
    yield* Effect.raceFirst(
      gone,
      untilIdle(
        () => moves,
        () => stream.readableEnded || stream.writableEnded,
      ),
    )
    yield* Fiber.interrupt(fiber)
    // The program inside may be slow to take what came last.
    if (stream.readableEnded && stream.writableFinished) {
      yield* Effect.timeoutOption(connection.closed, lastBytes)
    }
  }).pipe(Effect.ensuring(Effect.sync(() => stream.destroy())))
  return { stream, closed }
}
