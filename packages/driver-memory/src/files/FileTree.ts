import {
  type FileError,
  FileNotFound,
  type FileStat,
  InvalidPath,
  NotADirectory,
  NotAFile,
  StorageFailed,
} from "@cordon/core"
import { Effect } from "effect"
import { type FsStat, InMemoryFs } from "just-bash"

const mostLinks = 40

/** The kind of an entry; links are not followed. */
export const kindOf = (stat: FsStat): FileStat["kind"] =>
  stat.isSymbolicLink ? "symlink" : stat.isFile ? "file" : stat.isDirectory ? "directory" : "other"

/** A file system that counts what changes it. */
class CountedFs extends InMemoryFs {
  changes = 0

  override async writeFile(...given: Parameters<InMemoryFs["writeFile"]>) {
    await super.writeFile(...given)
    this.changes += 1
  }
  override async appendFile(...given: Parameters<InMemoryFs["appendFile"]>) {
    await super.appendFile(...given)
    this.changes += 1
  }
  override async mkdir(...given: Parameters<InMemoryFs["mkdir"]>) {
    await super.mkdir(...given)
    this.changes += 1
  }
  override async rm(...given: Parameters<InMemoryFs["rm"]>) {
    await super.rm(...given)
    this.changes += 1
  }
  override async cp(...given: Parameters<InMemoryFs["cp"]>) {
    await super.cp(...given)
    this.changes += 1
  }
  override async mv(...given: Parameters<InMemoryFs["mv"]>) {
    await super.mv(...given)
    this.changes += 1
  }
  override async chmod(...given: Parameters<InMemoryFs["chmod"]>) {
    await super.chmod(...given)
    this.changes += 1
  }
  override async symlink(...given: Parameters<InMemoryFs["symlink"]>) {
    await super.symlink(...given)
    this.changes += 1
  }
  override async link(...given: Parameters<InMemoryFs["link"]>) {
    await super.link(...given)
    this.changes += 1
  }
  override async utimes(...given: Parameters<InMemoryFs["utimes"]>) {
    await super.utimes(...given)
    this.changes += 1
  }
}

/**
 * A sandbox's file system with the rules of a real one. The file system of just-bash does not check writing over a
 * folder, below a file or through a link, so this class does.
 */
export class FileTree {
  readonly #fs: CountedFs

  constructor(maxBytes: number) {
    this.#fs = new CountedFs({}, { maxTotalBytes: maxBytes })
  }

  get fs(): InMemoryFs {
    return this.#fs
  }

  /** The number of changes so far. If it stays the same, nothing has changed. */
  get changes(): number {
    return this.#fs.changes
  }

  /** Runs one operation, and turns what just-bash throws into an error that callers can act on. */
  attempt<A>(path: string, operation: (fs: InMemoryFs) => Promise<A>): Effect.Effect<A, FileError> {
    return Effect.tryPromise({
      try: () => operation(this.fs),
      catch: (cause): FileError => {
        const message = cause instanceof Error ? cause.message : String(cause)
        if (/ENOENT/.test(message)) return new FileNotFound({ path })
        if (/ELOOP/.test(message)) {
          return new InvalidPath({ path, reason: "its symlinks form a loop" })
        }
        if (/EISDIR/.test(message)) return new NotAFile({ path, kind: "directory" })
        if (/ENOTDIR|EEXIST/.test(message)) return notADirectory(path)
        return new StorageFailed({ path, reason: message })
      },
    })
  }

  lstat(path: string): Effect.Effect<FsStat | undefined, FileError> {
    return this.attempt(path, (fs) => fs.lstat(path)).pipe(
      Effect.catchTag("FileNotFound", () => Effect.succeed(undefined)),
    )
  }

  /**
   * The real path: every link is followed, the last one too. The path need not exist: the result then
   * says where it would be.
   */
  resolve(path: string): Effect.Effect<string, FileError> {
    const tree = this
    return Effect.gen(function* () {
      const pending = path.split("/").reverse()
      const resolved: Array<string> = []
      let links = 0
      while (pending.length > 0) {
        const part = pending.pop() ?? ""
        if (part === "" || part === ".") continue
        if (part === "..") {
          resolved.pop()
          continue
        }
        const at = `/${[...resolved, part].join("/")}`
        const stat = yield* tree.lstat(at)
        if (stat?.isSymbolicLink) {
          if (++links > mostLinks) {
            return yield* new InvalidPath({ path, reason: "its symlinks form a loop" })
          }
          const target = yield* tree.attempt(path, (fs) => fs.readlink(at))
          if (target.startsWith("/")) resolved.length = 0
          pending.push(...target.split("/").reverse())
          continue
        }
        if (stat?.isFile && pending.some((rest) => rest !== "" && rest !== ".")) {
          return yield* notADirectory(path)
        }
        resolved.push(part)
      }
      return `/${resolved.join("/")}`
    })
  }

  stat(path: string): Effect.Effect<FileStat, FileError> {
    const tree = this
    return Effect.gen(function* () {
      const at = yield* tree.resolve(path)
      const stat = yield* tree.lstat(at)
      if (stat === undefined) return yield* new FileNotFound({ path })
      const kind = kindOf(stat)
      return {
        kind,
        size: kind === "file" ? stat.size : 0,
        mode: stat.mode & 0o7777,
        modifiedAt: stat.mtime,
      }
    })
  }

  read(path: string): Effect.Effect<Uint8Array, FileError> {
    const tree = this
    return Effect.gen(function* () {
      const { kind } = yield* tree.stat(path)
      if (kind !== "file") return yield* new NotAFile({ path, kind })
      const at = yield* tree.resolve(path)
      return yield* tree.attempt(path, (fs) => fs.readFileBuffer(at))
    })
  }

  makeDirectory(path: string): Effect.Effect<string, FileError> {
    const tree = this
    return Effect.gen(function* () {
      const at = yield* tree.resolve(path)
      const parts = at.split("/").filter((part) => part !== "")
      let reached = ""
      for (const part of parts) {
        reached += `/${part}`
        const stat = yield* tree.lstat(reached)
        if (stat !== undefined && !stat.isDirectory) return yield* notADirectory(path)
        // Recursive: another write may make it at the same time.
        if (stat === undefined) {
          yield* tree.attempt(path, (fs) => fs.mkdir(reached, { recursive: true }))
        }
      }
      return at
    })
  }

  /** Sets the time of a file or a folder; no effect without a time. */
  setTime(path: string, modifiedAt: Date | undefined): Effect.Effect<void, FileError> {
    return modifiedAt === undefined
      ? Effect.void
      : this.attempt(path, (fs) => fs.utimes(path, modifiedAt, modifiedAt))
  }

  /** Writes through symlinks; makes parents; an existing file keeps its mode unless one is given. */
  write(
    path: string,
    bytes: Uint8Array,
    mode?: number,
    modifiedAt?: Date,
  ): Effect.Effect<void, FileError> {
    const tree = this
    return Effect.gen(function* () {
      const at = yield* tree.resolve(path)
      const existing = yield* tree.lstat(at)
      if (existing?.isDirectory || path.endsWith("/")) {
        return yield* new NotAFile({ path, kind: "directory" })
      }
      yield* tree.makeDirectory(at.slice(0, at.lastIndexOf("/")) || "/")
      yield* tree.attempt(path, (fs) => fs.writeFile(at, bytes))
      yield* tree.attempt(path, (fs) => fs.chmod(at, mode ?? existing?.mode ?? 0o644))
      yield* tree.setTime(at, modifiedAt)
    })
  }
}

const notADirectory = (path: string) => new NotADirectory({ path })
