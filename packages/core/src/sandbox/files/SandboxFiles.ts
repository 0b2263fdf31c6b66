import type { Effect, Stream } from "effect"
import type {
  AlreadyExists,
  DirectoryNotEmpty,
  FileError,
  FileTooLarge,
  InvalidInput,
  LeaseError,
  NotText,
  TooManyFiles,
} from "../../errors.ts"
import type { SessionFiles } from "../../SessionFiles.ts"
import type { OnTransfer, TransferError, TransferReport } from "../../transfer/progress.ts"
import type { FilePath } from "../../values/FilePath.ts"
import type { FileEntry, FileEvent, FileStat } from "../../values/Files.ts"
import type { ListOptions, RemoveOptions, SearchOptions, SearchResult } from "./folders.ts"
import type { PathError } from "./paths.ts"
import type { WatchError, WatchOptions } from "./watch.ts"

/** The part of a file that is read. Default: all of it. */
export interface ReadOptions {
  /** Where to start, in bytes from the file's beginning. Default: 0. */
  readonly offset?: number | undefined
  /** Bytes to read at most. Default: all that follow. */
  readonly length?: number | undefined
}

/** How a file is written. */
export interface WriteOptions {
  /** Permission bits of a new file; an existing file keeps its own. Default: 0o644. */
  readonly mode?: number | undefined
  /** Bytes that a stream will bring. Give it where you know it: a stream that ends early is then refused. */
  readonly size?: number | undefined
}

/**
 * The files of a sandbox. Relative paths start at its working directory. `~` and `~/x` are in the home
 * folder of its user, as they are to its shell; `./~` is a file that is called `~`.
 */
export interface SandboxFiles {
  /**
   * Makes a path absolute. Nothing needs to be there.
   *
   * @example
   * const path = yield* sandbox.files.resolve("~/.npmrc") // "/root/.npmrc"
   */
  readonly resolve: (path: string) => Effect.Effect<FilePath, PathError>
  /**
   * Reads a file, or a part of it, into memory. Fails with `FileTooLarge` beyond `Settings.fileLimit`
   * (16 MiB by default) and with `FileNotFound`.
   *
   * @example
   * const picture = yield* sandbox.files.read("chart.png")
   * const head = yield* sandbox.files.read("build.log", { length: 1024 })
   */
  readonly read: (
    path: string,
    options?: ReadOptions,
  ) => Effect.Effect<Uint8Array, FileError | FileTooLarge | LeaseError>
  /**
   * As `read`, decoded as UTF-8. A byte order mark is kept, so that text that is read and written back is
   * the same file. Fails with `NotText` where the bytes are not UTF-8.
   *
   * @example
   * ```ts
   * yield* sandbox.files.write("notes.txt", "hello\n")
   * const text = yield* sandbox.files.readText("notes.txt")
   * ```
   */
  readonly readText: (
    path: string,
  ) => Effect.Effect<string, FileError | FileTooLarge | NotText | LeaseError>
  /**
   * Streams a file of any size, or a part of it.
   *
   * @example
   * const size = yield* sandbox.files.stream("dump.sql").pipe(
   *   Stream.runFold(() => 0, (sum, bytes) => sum + bytes.length),
   * )
   */
  readonly stream: (
    path: string,
    options?: ReadOptions,
  ) => Stream.Stream<Uint8Array, FileError | LeaseError>
  /**
   * Writes a file whole or not at all. Missing parent folders are made; text is written as UTF-8.
   *
   * @example
   * yield* sandbox.files.write("run.sh", "#!/bin/sh\nexec python3 main.py\n", { mode: 0o755 })
   */
  readonly write: <E = never>(
    path: string,
    content: string | Uint8Array | Stream.Stream<Uint8Array, E>,
    options?: WriteOptions,
  ) => Effect.Effect<void, E | FileError | InvalidInput | LeaseError>
  /**
   * Describes a file or folder. Fails with `FileNotFound` where there is none.
   *
   * @example
   * const { kind, size } = yield* sandbox.files.stat("dist/app.js")
   */
  readonly stat: (path: string) => Effect.Effect<FileStat, FileError | LeaseError>
  /**
   * Tells whether something is at a path.
   *
   * @example
   * if (!(yield* sandbox.files.exists("node_modules"))) yield* sandbox.run("npm ci")
   */
  readonly exists: (path: string) => Effect.Effect<boolean, FileError | LeaseError>
  /**
   * Lists a folder (default: the working directory), ordered by path. Fails with `TooManyFiles` beyond the
   * limit of the options, 10,000 entries by default.
   *
   * @example
   * const entries = yield* sandbox.files.list("src", { depth: 2 })
   */
  readonly list: (
    path?: string,
    options?: ListOptions,
  ) => Effect.Effect<ReadonlyArray<FileEntry>, FileError | LeaseError | TooManyFiles | InvalidInput>
  /**
   * Makes a folder and its missing parents. No effect where it exists.
   *
   * @example
   * yield* sandbox.files.makeDirectory("reports/2025")
   */
  readonly makeDirectory: (path: string) => Effect.Effect<void, FileError | LeaseError>
  /**
   * Renames a file or folder. A file in the new place is replaced; fails with `AlreadyExists` where a folder
   * is there.
   *
   * @example
   * yield* sandbox.files.move("report.tmp", "report.md")
   */
  readonly move: (
    from: string,
    to: string,
  ) => Effect.Effect<void, FileError | LeaseError | AlreadyExists>
  /**
   * Removes a file, a symbolic link (not its target) or a folder. Fails with `DirectoryNotEmpty` for a
   * folder with entries, unless `recursive` is set.
   *
   * @example
   * yield* sandbox.files.remove("node_modules", { recursive: true })
   */
  readonly remove: (
    path: string,
    options?: RemoveOptions,
  ) => Effect.Effect<void, FileError | LeaseError | DirectoryNotEmpty>
  /**
   * Finds lines with a pattern in text files. Symbolic links are not followed.
   *
   * @example
   * ```ts
   * const { matches } = yield* sandbox.files.search("TODO", { include: "*.ts" })
   * ```
   */
  readonly search: (
    pattern: string,
    options?: SearchOptions,
  ) => Effect.Effect<SearchResult, FileError | LeaseError | InvalidInput>
  /**
   * Tells what is created, changed and removed in a folder (default: the working directory). The first
   * event is `Ready`, and changes from then on are told. A file that comes and goes within one interval
   * (100 milliseconds by default) is not. A folder that is away counts as empty.
   *
   * Watching is a use of the sandbox, as a command is. The stream ends when the sandbox is stopped or removed.
   *
   * @example
   * yield* sandbox.files
   *   .watch("src", { recursive: true })
   *   .pipe(Stream.runForEach((event) => Console.log(event._tag)))
   */
  readonly watch: (path?: string, options?: WatchOptions) => Stream.Stream<FileEvent, WatchError>
  /**
   * Copies a file or folder from session storage into the sandbox.
   *
   * @example
   * const { files, skipped } = yield* sandbox.files.upload("project", "/workspace/project")
   */
  readonly upload: (
    from: string,
    to: string,
    onProgress?: OnTransfer,
  ) => Effect.Effect<TransferReport, TransferError | LeaseError, SessionFiles>
  /**
   * Copies a file or folder from the sandbox into session storage: at most `Settings.transferLimit` bytes,
   * 8 GiB by default.
   *
   * @example
   * const { bytes } = yield* sandbox.files.download("dist", "results/dist")
   */
  readonly download: (
    from: string,
    to: string,
    onProgress?: OnTransfer,
  ) => Effect.Effect<TransferReport, TransferError | LeaseError, SessionFiles>
}
