import { Context, type Effect, type Stream } from "effect"
import type {
  FileNotFound,
  InvalidPath,
  NotADirectory,
  NotAFile,
  PermissionDenied,
  StorageFailed,
} from "./errors.ts"
import type { FileStat } from "./values/Files.ts"

/** What a session's files may fail with. */
export type SessionFilesError =
  | InvalidPath
  | FileNotFound
  | NotADirectory
  | NotAFile
  | PermissionDenied
  | StorageFailed

/** Something below a folder of session storage. */
export interface SessionFilesEntry extends FileStat {
  /** Relative to the folder that was walked, `/`-separated. */
  readonly path: string
  /** Of a symlink; never followed by `walk`. */
  readonly linkTarget?: string
  /** All of a file's content, where it was asked for and is at hand. */
  readonly content?: Uint8Array
}

/** A file to be written of which all content is at hand. */
export interface SmallFile {
  /** Where the file goes, relative to the storage's root. */
  readonly path: string
  /** All of its bytes. */
  readonly content: Uint8Array
  /** Permission bits. */
  readonly mode: number
  /** Now where absent. */
  readonly modifiedAt?: Date | undefined
}

/**
 * The session's own files, outside every sandbox: where uploads come from and downloads go to.
 * Paths are relative and never leave the storage, whatever links lie in it.
 *
 * @example
 * import { SessionFiles } from "@cordon/core"
 *
 * const files = yield* SessionFiles
 * yield* files.write("notes.txt", Stream.succeed(new TextEncoder().encode("hello\n")))
 */
export class SessionFiles extends Context.Service<
  SessionFiles,
  {
    /** Symlinks are followed as far as they stay inside. */
    readonly stat: (path: string) => Effect.Effect<FileStat, SessionFilesError>
    /**
     * `lent`: the pieces are the reader's only until he has done with them, as `giveBack` says. Their
     * memory may be used again then, where it would else pile up until it is collected.
     */
    readonly read: (
      path: string,
      options?: { readonly lent?: boolean },
    ) => Stream.Stream<Uint8Array, SessionFilesError>
    /**
     * Writes a file whole or not at all; parents are made, a link in its place is replaced. It is dated
     * now where no time is given.
     */
    readonly write: <E>(
      path: string,
      content: Stream.Stream<Uint8Array, E>,
      mode?: number,
      modifiedAt?: Date,
    ) => Effect.Effect<void, SessionFilesError | E>
    /**
     * Writes small files, each as `write` does, where that is quicker together than one by one. No two have
     * one path. Absent: they are written by `write`.
     */
    readonly writeAll?: (files: ReadonlyArray<SmallFile>) => Effect.Effect<void, SessionFilesError>
    /** Makes a folder and its parents; no effect on one that exists, but for a time that is given. */
    readonly makeDirectory: (
      path: string,
      modifiedAt?: Date,
    ) => Effect.Effect<void, SessionFilesError>
    /**
     * Why the storage can't hold anything of this path, which Linux may allow; undefined where it can.
     * A download leaves out what is refused. Absent: the storage takes any.
     */
    readonly refuses?: (path: string) => string | undefined
    /**
     * Everything below a folder, parents before children, in the order of their names.
     *
     * `contents`: files of so many bytes and less may come with their content, where that is quicker
     * than to read each by itself; none where absent.
     */
    readonly walk: (
      path: string,
      options?: { readonly contents?: number },
    ) => Stream.Stream<SessionFilesEntry, SessionFilesError>
  }
>()("@cordon/core/SessionFiles") {}
