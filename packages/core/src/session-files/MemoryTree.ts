import { DateTime, Effect } from "effect"
import { FileNotFound, NotADirectory, StorageFailed } from "../errors.ts"
import type { SessionFilesEntry } from "../SessionFiles.ts"
import { storagePath } from "../values/FilePath.ts"
import { formatMemory } from "../values/Limits.ts"

export type Node =
  | {
      readonly kind: "file"
      readonly bytes: Uint8Array
      readonly mode: number
      readonly modifiedAt: Date
    }
  | { readonly kind: "directory"; readonly modifiedAt: Date }

export const statOf = (node: Node) => {
  const { kind, modifiedAt } = node
  return kind === "file"
    ? { kind, size: node.bytes.length, mode: node.mode, modifiedAt }
    : { kind, size: 0, mode: 0o755, modifiedAt }
}

/** Bytes that an entry takes beside its content. */
export const overhead = (path: string) => 256 + Buffer.byteLength(path)

/** Bytes that an entry takes. */
const weight = (path: string, node: Node | undefined) =>
  node === undefined ? 0 : overhead(path) + (node.kind === "file" ? node.bytes.length : 0)

export const parentsOf = (path: string): ReadonlyArray<string> =>
  path
    .split("/")
    .slice(0, -1)
    .map((_, index, parts) => parts.slice(0, index + 1).join("/"))

const compareParts = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): number => {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const [left = "", right = ""] = [a[index], b[index]]
    if (left !== right) return left < right ? -1 : 1
  }
  return a.length - b.length
}

/** Files and folders in memory, which together take no more than a limit. */
export class MemoryTree {
  readonly #limit: number
  readonly #nodes = new Map<string, Node>([["", { kind: "directory", modifiedAt: new Date() }]])
  // Bytes of all entries, and of files that are being written: a sandbox can't make the storage hold more than it
  // counts.
  #used = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Counts bytes; fails where they would exceed the limit. */
  take(path: string, bytes: number): Effect.Effect<void, StorageFailed> {
    return Effect.suspend(() => {
      if (this.#used + bytes > this.#limit) {
        const reason = `session files in memory may take ${formatMemory(this.#limit)}; keep them in a folder (sessionFilesDirectory), or set another limit (sessionFilesMemoryWith)`
        return Effect.fail(new StorageFailed({ path, reason }))
      }
      this.#used += bytes
      return Effect.void
    })
  }

  /** Takes back what `take` has counted. */
  release(bytes: number): void {
    this.#used -= bytes
  }

  /** Looks up a path that a caller gave. */
  find(path: string) {
    return Effect.flatMap(storagePath(path === "" ? "." : path), (at) => {
      const node = this.#nodes.get(at)
      return node === undefined
        ? Effect.fail(new FileNotFound({ path }))
        : Effect.succeed({ at, node })
    })
  }

  get(at: string): Node | undefined {
    return this.#nodes.get(at)
  }

  /** Sets an entry whose bytes `take` has counted, and releases the bytes of the entry before it. */
  replace(at: string, node: Node): void {
    this.release(weight(at, this.#nodes.get(at)))
    this.#nodes.set(at, node)
  }

  /** Sets the time of a folder. */
  setTime(at: string, modifiedAt: Date): void {
    this.#nodes.set(at, { kind: "directory", modifiedAt })
  }

  /** Makes the folders that are missing. */
  makeDirectories(
    paths: ReadonlyArray<string>,
  ): Effect.Effect<void, NotADirectory | StorageFailed> {
    return Effect.forEach(
      paths,
      (path): Effect.Effect<void, NotADirectory | StorageFailed> => {
        const node = this.#nodes.get(path)
        if (node?.kind === "file") return Effect.fail(new NotADirectory({ path }))
        if (node !== undefined) return Effect.void
        return Effect.andThen(
          this.take(path, overhead(path)),
          Effect.map(DateTime.now, (now) => this.setTime(path, DateTime.toDate(now))),
        )
      },
      { discard: true },
    )
  }

  /**
   * All that is below a folder, a folder's entries right after it.
   *
   * @param contents files of so many bytes and less come with their content
   */
  below(folder: string, contents: number): ReadonlyArray<SessionFilesEntry> {
    const prefix = folder === "" ? "" : `${folder}/`
    return [...this.#nodes]
      .filter(([path]) => path !== folder && path.startsWith(prefix))
      .map(([path, node]): SessionFilesEntry => {
        const entry = { path: path.slice(prefix.length), ...statOf(node) }
        return node.kind === "file" && node.bytes.length <= contents
          ? { ...entry, content: node.bytes }
          : entry
      })
      .sort((a, b) => compareParts(a.path.split("/"), b.path.split("/")))
  }
}
