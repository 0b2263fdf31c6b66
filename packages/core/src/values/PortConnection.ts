import type { Effect, Stream } from "effect"

/** A TCP connection to a program that listens in a sandbox. */
export interface PortConnection<E> {
  /** What the program sends. It ends when the program sends no more. It is for one consumer. */
  readonly output: Stream.Stream<Uint8Array, E>
  /** Sends, as fast as the program takes it. It has no effect once the connection has ended. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
  /** Tells the program that no more will come. The output goes on. */
  readonly end: Effect.Effect<void>
  /**
   * Waits until both sides have ended and the program's side has taken all that was sent, or until the
   * connection broke. The end of the scope before that lets go of what is on its way.
   */
  readonly closed: Effect.Effect<void>
}
