import { EngineError, type HostError } from "@cordon/core"
import { type Schema, Stream } from "effect"
import { Ndjson } from "effect/encoding"
import { decodeAnswer } from "./schemas.ts"

// A line of a pull or an event has a few hundred bytes. A line beyond this limit fails and is never
// buffered whole.
const maxLineBytes = 4 * 1024 * 1024

/** Parses a stream of JSON documents, one per line, as the engine sends pulls and events. */
const jsonLines = (
  source: Stream.Stream<Uint8Array, HostError>,
  operation: string,
): Stream.Stream<unknown, HostError> =>
  source.pipe(
    Stream.pipeThroughChannel(Ndjson.decode({ ignoreEmptyLines: true, maxLineBytes })),
    Stream.mapError((error) =>
      Ndjson.isNdjsonError(error)
        ? new EngineError({
            operation,
            reason: { _tag: "NotUnderstood" },
            detail: "its answer is not JSON lines",
          })
        : error,
    ),
  )

/** Turns a stream of bytes into a stream of validated messages. Nothing is decoded twice. */
export const messages = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  source: Stream.Stream<Uint8Array, HostError>,
  operation: string,
  schema: S,
): Stream.Stream<S["Type"], HostError> =>
  jsonLines(source, operation).pipe(Stream.mapEffect(decodeAnswer(operation, schema)))
