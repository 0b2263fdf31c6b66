/** What a path names. */
export type FileKind = "file" | "directory" | "symlink" | "other"

/** A file's size in bytes, kind and POSIX permission bits. Symlinks are followed. */
export interface FileStat {
  readonly kind: FileKind
  readonly size: number
  readonly mode: number
}
