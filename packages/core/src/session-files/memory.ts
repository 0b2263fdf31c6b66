import { DateTime, Effect, Exit, Layer, Stream } from "effect"
import { FileNotFound, InvalidInput, NotADirectory, NotAFile, StorageFailed } from "../errors.ts"
import { checkInput, optionNames } from "../promise/checkInput.ts"
import { SessionFiles, type SessionFilesEntry } from "../SessionFiles.ts"
import { type StoragePath, storagePath } from "../values/FilePath.ts"
import { formatMemory } from "../values/Limits.ts"

type Node =
  | {
      readonly kind: "file"
      readonly bytes: Uint8Array
      readonly mode: number
      readonly modifiedAt: Date
    }
  | { readonly kind: "directory"; readonly modifiedAt: Date }

/** How much session files in memory may take. */
export interface SessionFilesMemoryOptions {
  /** Bytes of all files together, names and a little for each entry included: 256 MiB by default. */
  readonly limit?: number
}

const defaultLimit = 256 * 1024 ** 2

/** What an entry takes beside its content. */
const overhead = (path: string) => 256 + Buffer.byteLength(path)

/** What a node takes. */
const weight = (path: string, node: Node | undefined) =>
  node === undefined ? 0 : overhead(path) + (node.kind === "file" ? node.bytes.length : 0)

const parentsOf = (path: string): ReadonlyArray<string> =>
  path
    .split("/")
    .slice(0, -1)
    .map((_, index, parts) => parts.slice(0, index + 1).join("/"))

/** Session storage in this process's memory, gone with its scope: 256 MiB at most. */
export const sessionFilesMemory: Layer.Layer<SessionFiles> = Layer.sync(SessionFiles, () =>
  make(defaultLimit),
)

/** As {@link sessionFilesMemory}, with a limit of the program's own. */
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

const make = (limit: number) => {
  const nodes = new Map<string, Node>([["", { kind: "directory", modifiedAt: new Date() }]])
  // Of all that is there, and of all that is on its way: whatever a sandbox says, what comes is counted.
  let used = 0

  const take = (path: string, bytes: number) =>
    Effect.suspend(() => {
      if (used + bytes > limit) {
        const reason = `session files in memory may take ${formatMemory(limit)}; keep them in a folder (sessionFilesDirectory), or set another limit (sessionFilesMemoryWith)`
        return Effect.fail(new StorageFailed({ path, reason }))
      }
      used += bytes
      return Effect.void
    })

  const find = Effect.fnUntraced(function* (path: string) {
    const at = yield* storagePath(path === "" ? "." : path)
    const node = nodes.get(at)
    if (node === undefined) return yield* new FileNotFound({ path })
    return { at, node }
  })

  const makeDirectories = Effect.fnUntraced(function* (paths: ReadonlyArray<string>) {
    for (const path of paths) {
      const node = nodes.get(path)
      if (node?.kind === "file") {
        return yield* new NotADirectory({ path })
      }
      if (node !== undefined) continue
      yield* take(path, overhead(path))
      nodes.set(path, { kind: "directory", modifiedAt: DateTime.toDate(yield* DateTime.now) })
    }
  })

  return SessionFiles.of({
    stat: Effect.fnUntraced(function* (path) {
      const { node } = yield* find(path)
      return node.kind === "file"
        ? {
            kind: "file",
            size: node.bytes.length,
            mode: node.mode,
            modifiedAt: node.modifiedAt,
          }
        : { kind: "directory", size: 0, mode: 0o755, modifiedAt: node.modifiedAt }
    }),

    read: (path) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const { node } = yield* find(path)
          if (node.kind !== "file") return yield* new NotAFile({ path, kind: "directory" })
          return Stream.succeed(node.bytes)
        }),
      ),

    write: Effect.fnUntraced(function* (path, content, mode, modifiedAt) {
      const at: StoragePath = yield* storagePath(path)
      if (nodes.get(at)?.kind === "directory") {
        return yield* new NotAFile({ path, kind: "directory" })
      }
      let taken = 0
      const takeMore = (bytes: number) =>
        Effect.map(take(path, bytes), () => {
          taken += bytes
        })
      yield* Effect.gen(function* () {
        yield* takeMore(overhead(at))
        const chunks = yield* content.pipe(
          Stream.tap(({ length }) => takeMore(length)),
          Stream.runCollect,
        )
        yield* makeDirectories(parentsOf(at))
        const now = DateTime.toDate(yield* DateTime.now)
        const before = nodes.get(at)
        if (before?.kind === "directory") return yield* new NotAFile({ path, kind: "directory" })
        used -= weight(at, before)
        nodes.set(at, {
          kind: "file",
          bytes: Buffer.concat(chunks),
          mode: mode ?? 0o644,
          modifiedAt: modifiedAt ?? now,
        })
      }).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            if (!Exit.isSuccess(exit)) used -= taken
          }),
        ),
      )
    }),

    makeDirectory: Effect.fnUntraced(function* (path, modifiedAt) {
      const at = yield* storagePath(path === "" ? "." : path)
      yield* makeDirectories([...parentsOf(at), at])
      if (modifiedAt !== undefined) nodes.set(at, { kind: "directory", modifiedAt })
    }),

    walk: (path, { contents = -1 } = {}) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const { at, node } = yield* find(path)
          if (node.kind !== "directory") {
            return yield* new NotADirectory({ path })
          }
          const below = at === "" ? "" : `${at}/`
          const entries = [...nodes]
            .filter(([other]) => other !== at && other.startsWith(below))
            .map(([other, found]): SessionFilesEntry => {
              const relative = other.slice(below.length)
              return found.kind === "file"
                ? {
                    path: relative,
                    kind: "file",
                    size: found.bytes.length,
                    mode: found.mode,
                    modifiedAt: found.modifiedAt,
                    ...(found.bytes.length <= contents ? { content: found.bytes } : {}),
                  }
                : {
                    path: relative,
                    kind: "directory",
                    size: 0,
                    mode: 0o755,
                    modifiedAt: found.modifiedAt,
                  }
            })
            // By parts, so that a folder's own contents follow it directly.
            .sort((a, b) => compareParts(a.path.split("/"), b.path.split("/")))
          return Stream.fromIterable(entries)
        }),
      ),
  })
}

const compareParts = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): number => {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const [left = "", right = ""] = [a[index], b[index]]
    if (left !== right) return left < right ? -1 : 1
  }
  return a.length - b.length
}
