import { type ArchiveEntry, EngineError, packArchive } from "@cordon/core"
import { initProgram } from "@cordon/init"
import { Cache, Effect, Stream } from "effect"

/** The path of the init in a container. */
export const initPath = "/.cordon/init"

/** The archive that puts the init into a container, in place of anything that the image has at its path. */
const make = Effect.fnUntraced(function* (architecture: string) {
  const program = yield* Effect.mapError(initProgram(architecture), ({ message }) =>
    EngineError.notDone("create a sandbox", message),
  )
  const entries: ReadonlyArray<ArchiveEntry> = [
    { path: ".cordon", kind: "directory", size: 0, mode: 0o755, content: Stream.empty },
    {
      path: ".cordon/init",
      kind: "file",
      size: program.length,
      mode: 0o555,
      content: Stream.empty,
      whole: program,
    },
  ]
  const pieces = yield* Stream.runCollect(packArchive(Stream.fromIterable(entries))).pipe(
    // The entries match their headers, so packing can't fail.
    Effect.orDie,
  )
  return new Uint8Array(Buffer.concat(pieces))
})

/** Archives by the engine's name of the architecture. Each is made once. */
export const makeInitArchives = Cache.make({ lookup: make, capacity: 4 })
