import { Effect, Layer, Stream } from "effect"
import { FileNotFound, NotAFile } from "../errors.ts"
import { SessionFiles, type SessionFilesEntry } from "../SessionFiles.ts"
import { type StoragePath, storagePath } from "../values/FilePath.ts"

type Node =
  | { readonly kind: "file"; readonly bytes: Uint8Array; readonly mode: number }
  | { readonly kind: "directory" }

const parentsOf = (path: string): ReadonlyArray<string> =>
  path
    .split("/")
    .slice(0, -1)
    .map((_, index, parts) => parts.slice(0, index + 1).join("/"))

/** Session storage in this process's memory, gone with its scope. */
export const sessionFilesMemory: Layer.Layer<SessionFiles> = Layer.sync(SessionFiles, () => {
  const nodes = new Map<string, Node>([["", { kind: "directory" }]])

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
        return yield* new NotAFile({ path, kind: "file where a folder is needed" })
      }
      nodes.set(path, { kind: "directory" })
    }
  })

  return SessionFiles.of({
    stat: Effect.fnUntraced(function* (path) {
      const { node } = yield* find(path)
      return node.kind === "file"
        ? { kind: "file", size: node.bytes.length, mode: node.mode }
        : { kind: "directory", size: 0, mode: 0o755 }
    }),

    read: (path) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const { node } = yield* find(path)
          if (node.kind !== "file") return yield* new NotAFile({ path, kind: "directory" })
          return Stream.succeed(node.bytes)
        }),
      ),

    write: Effect.fnUntraced(function* (path, content, mode) {
      const at: StoragePath = yield* storagePath(path)
      if (nodes.get(at)?.kind === "directory") {
        return yield* new NotAFile({ path, kind: "directory" })
      }
      const chunks = yield* Stream.runCollect(content)
      yield* makeDirectories(parentsOf(at))
      nodes.set(at, { kind: "file", bytes: Buffer.concat(chunks), mode: mode ?? 0o644 })
    }),

    makeDirectory: Effect.fnUntraced(function* (path) {
      const at = yield* storagePath(path === "" ? "." : path)
      yield* makeDirectories([...parentsOf(at), at])
    }),

    walk: (path, { contents = -1 } = {}) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const { at, node } = yield* find(path)
          if (node.kind !== "directory") {
            return yield* new NotAFile({ path, kind: "file where a folder is needed" })
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
                    ...(found.bytes.length <= contents ? { content: found.bytes } : {}),
                  }
                : { path: relative, kind: "directory", size: 0, mode: 0o755 }
            })
            // By parts, so that a folder's own contents follow it directly.
            .sort((a, b) => compareParts(a.path.split("/"), b.path.split("/")))
          return Stream.fromIterable(entries)
        }),
      ),
  })
})

const compareParts = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): number => {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const [left = "", right = ""] = [a[index], b[index]]
    if (left !== right) return left < right ? -1 : 1
  }
  return a.length - b.length
}
