import { type Cause, Deferred, Effect, Queue, Stream } from "effect"

// What is at hand is there within this; what is not may take for ever.
const patience = "2 millis"

/**
 * Looks whether a stream is short and comes at once. Nothing of it is lost.
 *
 * @returns all of it, where it is; and in any case a stream of all of it, for the caller's scope
 */
export const peek = Effect.fnUntraced(function* (stream: Stream.Stream<Uint8Array>, most: number) {
  const first: Array<Uint8Array> = []
  let length = 0
  let looking = true
  let ended = false
  const seen = yield* Deferred.make<void>()
  const later = yield* Queue.bounded<Uint8Array, Cause.Done>(16)
  yield* Stream.runForEach(stream, (bytes) => {
    if (!looking) return Effect.asVoid(Queue.offer(later, bytes))
    first.push(bytes)
    length += bytes.length
    if (length <= most) return Effect.void
    looking = false
    return Effect.asVoid(Deferred.succeed(seen, undefined))
  }).pipe(
    Effect.andThen(
      Effect.sync(() => {
        ended = true
      }),
    ),
    Effect.andThen(Effect.all([Queue.end(later), Deferred.succeed(seen, undefined)])),
    Effect.forkScoped,
  )
  yield* Effect.timeoutOption(Deferred.await(seen), patience)
  const whole = ended && looking ? Buffer.concat(first) : undefined
  looking = false
  return { whole, all: Stream.concat(Stream.fromIterable(first), Stream.fromQueue(later)) }
})
