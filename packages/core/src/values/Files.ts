import { Data } from "effect"

/** What a path names. */
export type FileKind = "file" | "directory" | "symlink" | "other"

/** A file's size in bytes, kind and POSIX permission bits. Symlinks are followed. */
export interface FileStat {
  readonly kind: FileKind
  readonly size: number
  readonly mode: number
  /** When its content was last changed, where that is known. */
  readonly modifiedAt?: Date
}

/** A file in a folder's listing. A symlink is listed as itself, not as what it leads to. */
export interface FileEntry {
  readonly name: string
  readonly path: string
  readonly kind: FileKind
  /** Bytes; 0 for what is no regular file. */
  readonly size: number
  /** POSIX permission bits. */
  readonly mode: number
  /** When its content was last changed; 1970 where that was before, or after the year 9999. */
  readonly modifiedAt: Date
}

/** A line of a file that a search found. */
export interface FileMatch {
  readonly path: string
  /** The first line is 1. */
  readonly line: number
  /** The line without its end, at most 1,000 characters of it. */
  readonly text: string
}

/**
 * What happened in a folder that is watched, each with the entry as it was last seen:
 *
 * - `Ready`: the first one, with what is there. What changes from then on is told of.
 * - `Created`, `Removed`: also of what was renamed, by its new and its old path.
 * - `Changed`: its content or its mode; of a folder only its mode.
 */
export type FileEvent = Data.TaggedEnum<{
  Ready: { readonly entries: ReadonlyArray<FileEntry> }
  Created: { readonly entry: FileEntry }
  Changed: { readonly entry: FileEntry }
  Removed: { readonly entry: FileEntry }
}>
export const FileEvent = Data.taggedEnum<FileEvent>()
