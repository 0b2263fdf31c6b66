import { EngineError, type HostError } from "@cordon/core"
import { type Schema, Stream } from "effect"
import { Ndjson } from "effect/encoding"
import { decodeAnswer } from "./schemas.ts"

// A line of a pull or an event has some hundred bytes. A longer one fails, and is never held whole.
const maxLineBytes = 4 * 1024 * 1024

/** Reads a stream of JSON documents, one a line, as the engine sends pulls and events. */
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

/** A stream of bytes as a stream of checked messages: nothing is decoded twice. */
export const messages = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  source: Stream.Stream<Uint8Array, HostError>,
  operation: string,
  schema: S,
): Stream.Stream<S["Type"], HostError> =>
  jsonLines(source, operation).pipe(Stream.mapEffect(decodeAnswer(operation, schema)))
