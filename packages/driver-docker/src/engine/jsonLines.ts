import { EngineError, type HostError } from "@cordon/core"
import { Effect, type Schema, Stream } from "effect"
import { decodeAnswer } from "./schemas.ts"

/** Reads a stream of JSON documents, one a line, as the engine sends pulls and events. */
const jsonLines = (
  source: Stream.Stream<Uint8Array, HostError>,
  operation: string,
): Stream.Stream<unknown, HostError> =>
  source.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((line) => line.trim() !== ""),
    Stream.mapEffect((line) =>
      Effect.try({
        try: (): unknown => JSON.parse(line),
        catch: () =>
          new EngineError({
            operation,
            reason: { _tag: "NotUnderstood" },
            detail: "its answer is not JSON lines",
          }),
      }),
    ),
  )

/** A stream of bytes as a stream of checked messages: nothing is decoded twice. */
export const messages = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  source: Stream.Stream<Uint8Array, HostError>,
  operation: string,
  schema: S,
): Stream.Stream<S["Type"], HostError> =>
  jsonLines(source, operation).pipe(Stream.mapEffect(decodeAnswer(operation, schema)))
