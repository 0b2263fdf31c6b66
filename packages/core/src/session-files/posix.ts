import type { Stats } from "node:fs"
import {
  FileNotFound,
  InvalidPath,
  NotADirectory,
  NotAFile,
  PermissionDenied,
  StorageFailed,
} from "../errors.ts"
import type { SessionFilesError } from "../SessionFiles.ts"
import type { FileKind, FileStat } from "../values/Files.ts"
import { Outside } from "./folder.ts"

export const kindOf = (stats: Stats): FileKind =>
  stats.isFile()
    ? "file"
    : stats.isDirectory()
      ? "directory"
      : stats.isSymbolicLink()
        ? "symlink"
        : "other"

export const statOf = (stats: Stats): FileStat => ({
  kind: kindOf(stats),
  size: stats.isFile() ? stats.size : 0,
  mode: stats.mode & 0o7777,
  modifiedAt: stats.mtime,
})

/** Maps what the operating system refused to the error a caller can act on. */
export const refusal = (path: string, cause: unknown): SessionFilesError => {
  if (cause instanceof Outside) {
    return new InvalidPath({ path, reason: "a symlink leads out of session storage" })
  }
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  switch (code) {
    case "ENOENT":
      return new FileNotFound({ path })
    case "ENOTDIR":
    case "EEXIST":
      return new NotADirectory({ path })
    case "EISDIR":
      return new NotAFile({ path, kind: "directory" })
    case "EACCES":
    case "EPERM":
      return new PermissionDenied({ path })
    case "ELOOP":
      return new InvalidPath({ path, reason: "its symlinks form a loop or may not be followed" })
    case "ENAMETOOLONG":
      return new InvalidPath({ path, reason: "it is too long" })
    default:
      return new StorageFailed({ path, reason: String(code ?? cause) })
  }
}
