import type { FileKind, FileStat } from "@cordon/core"
import { ByteSize, type FileSystem, Option } from "effect"

export const types: Readonly<Record<FileKind, FileSystem.File.Type>> = {
  file: "File",
  directory: "Directory",
  symlink: "SymbolicLink",
  other: "Unknown",
}

// The bits of `mode` that hold a file's kind in Linux.
const kindBits: Readonly<Record<FileKind, number>> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  other: 0,
}

/** The port's file information, from a sandbox's stat: kind, size, mode and time of change. */
export const infoOf = ({ kind, size, mode, modifiedAt }: FileStat): FileSystem.File.Info => ({
  type: types[kind],
  mtime: Option.fromUndefinedOr(modifiedAt),
  atime: Option.none(),
  birthtime: Option.none(),
  dev: 0n,
  ino: Option.none(),
  mode: kindBits[kind] | mode,
  nlink: Option.none(),
  uid: Option.none(),
  gid: Option.none(),
  rdev: Option.none(),
  size: ByteSize.bytes(size),
  blksize: Option.none(),
  blocks: Option.none(),
})
