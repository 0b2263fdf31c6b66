import { EngineError, type HostError } from "@cordon/core"
import { Effect, Stream } from "effect"

/** Reads a stream of JSON documents, one a line, as the engine sends pulls and events. */
export const jsonLines = (
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
          new EngineError({ operation, status: 0, detail: "its answer is not JSON lines" }),
      }),
    ),
  )
