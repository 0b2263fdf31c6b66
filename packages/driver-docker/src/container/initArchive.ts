import { type ArchiveEntry, EngineError, packArchive } from "@cordon/core"
import { initProgram } from "@cordon/init"
import { Cache, Effect, Stream } from "effect"

/** Where the init is in a container. */
export const initPath = "/.cordon/init"

/** The archive that puts the init into a container, whatever the image has at its path. */
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
    // Its entries are as they say.
    Effect.orDie,
  )
  return new Uint8Array(Buffer.concat(pieces))
})

/** Archives by the architecture that an engine names; each is made once. */
export const makeInitArchives = Cache.make({ lookup: make, capacity: 4 })
