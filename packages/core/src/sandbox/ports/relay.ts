import type { Socket } from "node:net"
import { Effect, type Scope, Stream } from "effect"
import type { PortConnection } from "../../values/PortConnection.ts"

// As long as a kernel waits for the other side of a connection that was closed.
const lastBytes = "1 minute"

// Minutes without a byte in either direction after which a connection is ended: while both sides may still send,
// and once one has ended its own. A client that leaves ends its side only.
const idleMinutes = 10
const minutesAfterEnd = 1

/**
 * Waits until nothing has moved for as long as a connection may be kept.
 *
 * @param moves how often something moved so far
 * @param oneEnded whether one side sends no more
 */
export const untilIdle = Effect.fnUntraced(function* (
  moves: () => number,
  oneEnded: () => boolean,
) {
  let minutes = 0
  while (minutes < (oneEnded() ? minutesAfterEnd : idleMinutes)) {
    const before = moves()
    yield* Effect.sleep("1 minute")
    minutes = moves() === before ? minutes + 1 : 0
  }
})

/** Writes as fast as the other side reads. */
const write = (socket: Socket, bytes: Uint8Array) =>
  Effect.callback<void>((resume) => {
    if (socket.destroyed || socket.write(bytes)) return resume(Effect.void)
    const ready = () => {
      for (const event of ["drain", "close"]) socket.off(event, ready)
      resume(Effect.void)
    }
    for (const event of ["drain", "close"]) socket.on(event, ready)
  })

/** Ends a socket, and waits until this machine has all that was written to it. */
const finish = (socket: Socket) =>
  Effect.callback<void>((resume) => {
    if (socket.destroyed) return resume(Effect.void)
    socket.end(() => resume(Effect.void))
  })

/** Waits until a socket is closed before both sides have ended it. */
const broken = (socket: Socket) =>
  Effect.callback<void>((resume) => {
    const judge = () => {
      if (!socket.readableEnded || !socket.writableFinished) resume(Effect.void)
    }
    if (socket.closed) return judge()
    socket.once("close", judge)
  })

/** What the socket's other side sends, until it sends no more. */
const inputOf = (socket: Socket) =>
  Stream.fromAsyncIterable<Uint8Array, "broken">(
    // The end of the input is not the end of the socket.
    socket.iterator({ destroyOnReturn: false }),
    () => "broken",
  ).pipe(Stream.catch(() => Stream.empty))

/**
 * Passes on what a socket of this machine and a connection of a sandbox send, until both have ended it, either breaks
 * it, or nothing moves any more: a program inside that neither reads, writes nor closes must not keep it for ever.
 */
export const relay = <E>(
  socket: Socket,
  open: Effect.Effect<PortConnection<E>, E, Scope.Scope>,
): Effect.Effect<void, E> =>
  Effect.gen(function* () {
    const connection = yield* open
    let moves = 0
    let oneEnded = false
    const counted = (bytes: Uint8Array) => {
      moves += 1
      return bytes
    }
    const ended = Effect.sync(() => {
      moves += 1
      oneEnded = true
    })
    const there = Stream.runForEach(inputOf(socket), (bytes) => connection.write(counted(bytes)))
    const back = Stream.runForEach(connection.output, (bytes) => write(socket, counted(bytes)))
    const both = Effect.all(
      [
        Effect.andThen(there, ended).pipe(Effect.andThen(connection.end)),
        Effect.andThen(back, ended).pipe(Effect.andThen(finish(socket))),
      ],
      { concurrency: "unbounded", discard: true },
    )
    const silence = untilIdle(
      () => moves,
      () => oneEnded,
    )
    const areEnded = yield* Effect.raceAllFirst([
      Effect.as(both, true),
      Effect.as(broken(socket), false),
      Effect.as(silence, false),
    ])
    // The program may be slow to take what came last.
    if (areEnded) yield* Effect.timeoutOption(connection.closed, lastBytes)
  }).pipe(Effect.scoped)
