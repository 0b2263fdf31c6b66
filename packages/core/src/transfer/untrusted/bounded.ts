import { Effect, Stream } from "effect"
import { FileTooLarge } from "../../errors.ts"
import type { FilePath } from "../../values/FilePath.ts"
import type { Meter } from "../progress.ts"

/** Counts the bytes of contents, and fails once all contents together are larger than a limit. */
export const makeBound =
  (meter: Meter, path: FilePath, limit: number) =>
  <E>(content: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E | FileTooLarge> =>
    Stream.mapArrayEffect(content, (chunks) => {
      const bytes = chunks.reduce((sum, { length }) => sum + length, 0)
      const size = meter.counted.bytes + bytes
      return size > limit
        ? Effect.fail(new FileTooLarge({ path, size, limit }))
        : Effect.as(meter.bytes(bytes), chunks)
    })

export type Bound = ReturnType<typeof makeBound>
