import { DateTime, Effect, Exit, Layer, Stream } from "effect"
import { InvalidInput, NotADirectory, NotAFile } from "../errors.ts"
import { checkInput, optionNames } from "../input/checkInput.ts"
import { SessionFiles, type SessionFilesError } from "../SessionFiles.ts"
import { storagePath } from "../values/FilePath.ts"
import { MemoryTree, overhead, parentsOf, statOf } from "./MemoryTree.ts"

/** How much session files in memory may take. */
export interface SessionFilesMemoryOptions {
  /** Bytes of all files together, names and a little for each entry included: 256 MiB by default. */
  readonly limit?: number
}

const defaultLimit = 256 * 1024 ** 2

/** Session storage in this process's memory, gone with its scope: 256 MiB at most. */
export const sessionFilesMemory: Layer.Layer<SessionFiles> = Layer.sync(SessionFiles, () =>
  make(defaultLimit),
)

/**
 * As {@link sessionFilesMemory}, with a limit of the program's own.
 *
 * @example
 * import { createSandboxes, sessionFilesMemoryWith } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 *
 * const files = sessionFilesMemoryWith({ limit: 64 * 1024 ** 2 })
 * await using sandboxes = createSandboxes({ driver: docker(), files: () => files })
 */
export const sessionFilesMemoryWith = (
  options: SessionFilesMemoryOptions = {},
): Layer.Layer<SessionFiles, InvalidInput> => {
  checkInput("options of sessionFilesMemoryWith", shape, options)
  const { limit = defaultLimit } = options
  return Layer.effect(
    SessionFiles,
    Number.isSafeInteger(limit) && limit > 0
      ? Effect.sync(() => make(limit))
      : Effect.fail(
          new InvalidInput({
            subject: "limit of session files in memory",
            issue: "it must be a whole number of bytes above zero",
          }),
        ),
  )
}

const shape = optionNames<SessionFilesMemoryOptions>({ limit: true })

/** Writes a file. Its bytes are counted as they come; a failure takes them back. */
const write = <E>(
  tree: MemoryTree,
  path: string,
  content: Stream.Stream<Uint8Array, E>,
  mode = 0o644,
  modifiedAt?: Date,
): Effect.Effect<void, SessionFilesError | E> =>
  Effect.gen(function* () {
    const at = yield* storagePath(path)
    const refuseFolder = Effect.suspend(() =>
      tree.get(at)?.kind === "directory"
        ? Effect.fail(new NotAFile({ path, kind: "directory" }))
        : Effect.void,
    )
    yield* refuseFolder
    let taken = 0
    const take = (bytes: number) =>
      Effect.map(tree.take(path, bytes), () => {
        taken += bytes
      })
    yield* Effect.gen(function* () {
      yield* take(overhead(at))
      const chunks = yield* content.pipe(
        Stream.tap(({ length }) => take(length)),
        Stream.runCollect,
      )
      yield* tree.makeDirectories(parentsOf(at))
      const now = DateTime.toDate(yield* DateTime.now)
      // Another writer may have made a folder of this name meanwhile.
      yield* refuseFolder
      tree.replace(at, {
        kind: "file",
        bytes: Buffer.concat(chunks),
        mode,
        modifiedAt: modifiedAt ?? now,
      })
    }).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (!Exit.isSuccess(exit)) tree.release(taken)
        }),
      ),
    )
  })

const make = (limit: number) => {
  const tree = new MemoryTree(limit)
  return SessionFiles.of({
    stat: (path) => Effect.map(tree.find(path), ({ node }) => statOf(node)),

    read: (path) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const { node } = yield* tree.find(path)
          if (node.kind !== "file") return yield* new NotAFile({ path, kind: "directory" })
          return Stream.succeed(node.bytes)
        }),
      ),

    write: (path, content, mode, modifiedAt) => write(tree, path, content, mode, modifiedAt),

    makeDirectory: Effect.fnUntraced(function* (path, modifiedAt) {
      const at = yield* storagePath(path === "" ? "." : path)
      yield* tree.makeDirectories([...parentsOf(at), at])
      if (modifiedAt !== undefined) tree.setTime(at, modifiedAt)
    }),

    walk: (path, { contents = -1 } = {}) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const { at, node } = yield* tree.find(path)
          if (node.kind !== "directory") return yield* new NotADirectory({ path })
          return Stream.fromIterable(tree.below(at, contents))
        }),
      ),
  })
}
