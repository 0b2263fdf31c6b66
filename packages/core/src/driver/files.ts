import type { Effect, Stream } from "effect"
import type { AlreadyExists, DirectoryNotEmpty, FileError, InvalidInput } from "../errors.ts"
import type { FilePath } from "../values/FilePath.ts"
import type { FileEntry, FileMatch, FileStat } from "../values/Files.ts"
import type { FolderChange, FolderSearch, FolderWatch } from "../values/Folders.ts"
import type { SandboxId } from "../values/SandboxId.ts"

/** Which part of a file is read, and how. */
export interface FileRange {
  /** Bytes to skip: 0 where absent. */
  readonly offset?: number | undefined
  /** Bytes to read: up to the end where absent. */
  readonly length?: number | undefined
  /** Whether chunks are lent: after `giveBack` their memory may be used again. */
  readonly lent?: boolean | undefined
}

/** A file on its way into a sandbox. */
export interface FileContent<E> {
  /** The file's content. */
  readonly bytes: Stream.Stream<Uint8Array, E>
  /** Bytes. If the size is given and the stream is shorter or longer, the whole file is refused. */
  readonly size?: number | undefined
  /** Permission bits. Where absent, a new file gets 0o644, and an existing file keeps its own. */
  readonly mode?: number | undefined
  /** Modification time; now where absent. */
  readonly modifiedAt?: Date | undefined
}

/** How a driver reads, writes and watches files of a sandbox. */
export interface DriverFiles {
  /** The size, kind and mode of what a path leads to. */
  readonly stat: (id: SandboxId, path: FilePath) => Effect.Effect<FileStat, FileError>

  /**
   * Streams a regular file, or a part of it. With `range.lent` the caller may use each chunk until it gives the chunk
   * back with `giveBack`.
   */
  readonly readFile: (
    id: SandboxId,
    path: FilePath,
    range?: FileRange,
  ) => Stream.Stream<Uint8Array, FileError>

  /** Writes a file whole or not at all. Missing parent folders are made; a symlink is followed. */
  readonly writeFile: <E>(
    id: SandboxId,
    path: FilePath,
    content: FileContent<E>,
  ) => Effect.Effect<void, FileError | E>

  /**
   * Streams a folder's contents as a tar archive, with paths relative to the folder. A file that has several names
   * may come once, and then as hard links to that entry.
   */
  readonly getArchive: (id: SandboxId, path: FilePath) => Stream.Stream<Uint8Array, FileError>

  /** Unpacks a tar archive into a folder, which is made where it is missing. Entries keep their times. */
  readonly putArchive: <E>(
    id: SandboxId,
    path: FilePath,
    archive: Stream.Stream<Uint8Array, E>,
  ) => Effect.Effect<void, FileError | E>

  /**
   * Streams the entries of a folder down to `depth` levels; 1 stands for the folder's own entries. Paths are relative
   * to the folder, and each folder comes before its entries. Links are not followed. Folders below that the user may
   * not read seem to be empty. This method, `searchFolder` and `watchFolder` leave out names that begin with
   * `.cordon-`.
   */
  readonly listFolder: (
    id: SandboxId,
    path: FilePath,
    depth: number,
  ) => Stream.Stream<FileEntry, FileError>

  /** Makes a folder and its parents; no effect where it exists. */
  readonly makeFolder: (id: SandboxId, path: FilePath) => Effect.Effect<void, FileError>

  /** Removes a file, a link (not its target) or a folder. A folder with entries is removed only with `recursive`. */
  readonly removeFile: (
    id: SandboxId,
    path: FilePath,
    options: { readonly recursive: boolean },
  ) => Effect.Effect<void, FileError | DirectoryNotEmpty>

  /**
   * Moves a file, a link or a folder; missing parents of the new path are made. A file replaces a file at the new
   * path; anything else there is `AlreadyExists`. Moving a folder into itself is `InvalidPath`.
   */
  readonly moveFile: (
    id: SandboxId,
    from: FilePath,
    to: FilePath,
  ) => Effect.Effect<void, FileError | AlreadyExists>

  /**
   * Streams the lines that match, file by file, with paths relative to the folder. Links are not followed, and files
   * with NUL characters are left out. An invalid pattern is `InvalidInput`.
   */
  readonly searchFolder: (
    id: SandboxId,
    path: FilePath,
    search: FolderSearch,
  ) => Stream.Stream<FileMatch, FileError | InvalidInput>

  /**
   * Streams the changes in a folder, after a first listing of it; paths are relative to the folder. The stream goes
   * on while the folder is missing, which counts as empty, and ends only by failing. Links are not followed. Ending
   * the stream leaves nothing behind in the sandbox.
   */
  readonly watchFolder: (
    id: SandboxId,
    path: FilePath,
    options: FolderWatch,
  ) => Stream.Stream<FolderChange, FileError>
}
