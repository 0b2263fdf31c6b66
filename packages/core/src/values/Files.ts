import { Data } from "effect"

/** What a path names. */
export type FileKind = "file" | "directory" | "symlink" | "other"

/** A file's size in bytes, kind and POSIX permission bits. Symlinks are followed. */
export interface FileStat {
  /** What it is; never `symlink`, since symlinks are followed. */
  readonly kind: FileKind
  /** Bytes. */
  readonly size: number
  /** POSIX permission bits. */
  readonly mode: number
  /** When its content was last changed, where that is known. */
  readonly modifiedAt?: Date | undefined
}

/** A file in a folder's listing. A symlink is listed as itself, not as what it leads to. */
export interface FileEntry {
  /** The last part of its path. */
  readonly name: string
  /** Its absolute path; a driver gives it relative to the folder that was asked for. */
  readonly path: string
  /** What it is. */
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
  /** The file's absolute path; a driver gives it relative to the folder that was searched. */
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
  /** All entries that are there when the watch begins. */
  Ready: { readonly entries: ReadonlyArray<FileEntry> }
  /** The new entry. */
  Created: { readonly entry: FileEntry }
  /** The entry as it is now. */
  Changed: { readonly entry: FileEntry }
  /** The entry as it was last seen. */
  Removed: { readonly entry: FileEntry }
}>
export const FileEvent = Data.taggedEnum<FileEvent>()
