import type { Duplex } from "node:stream"
import { duplexOf } from "@cordon/core"
import { Effect } from "effect"

/** Hands a connection of a served port to a function as a stream, until it is closed. */
export const handTo =
  (take: (stream: Duplex) => void) =>
  (connection: Parameters<typeof duplexOf>[0]): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { stream, closed } = duplexOf(connection)
      take(stream)
      return closed
    })
