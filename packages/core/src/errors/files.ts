import { Schema } from "effect"
import { quote } from "./quote.ts"
import { TaggedError } from "./TaggedError.ts"

/** A path that no file in a sandbox can have, or that leaves where it has to stay. */
export class InvalidPath extends TaggedError<InvalidPath>()("InvalidPath", {
  /** The path as it was given. */
  path: Schema.String,
  /** What is wrong with it, in words that follow a colon. */
  reason: Schema.String,
}) {
  override get message() {
    return `Path ${quote(this.path)} can't be used: ${this.reason}.`
  }
}

/** There is no such file or folder in the sandbox. */
export class FileNotFound extends TaggedError<FileNotFound>()("FileNotFound", {
  /** The path at which nothing is. */
  path: Schema.String,
}) {
  override get message() {
    return `There is no file at ${quote(this.path)}. Check the path; relative paths start at the working directory.`
  }
}

/** Something else stands where a regular file (or a directory) is needed. */
export class NotAFile extends TaggedError<NotAFile>()("NotAFile", {
  /** The path of what is no regular file. */
  path: Schema.String,
  /** What is there: `directory`, `symlink` or `other`. */
  kind: Schema.String,
}) {
  override get message() {
    return `${quote(this.path)} is a ${this.kind}, not a regular file. Give the path of a file.`
  }
}

/** A folder is needed where the path, or a part of it, is something else. */
export class NotADirectory extends TaggedError<NotADirectory>()("NotADirectory", {
  /** The path that is no folder, or leads through something that is none. */
  path: Schema.String,
}) {
  override get message() {
    return `${quote(this.path)}, or a parent of it, is not a folder. Give the path of a folder, or of a file in one.`
  }
}

/** A file is bigger than may be read at once (`fileLimit`); read a part of it, or stream it. */
export class FileTooLarge extends TaggedError<FileTooLarge>()("FileTooLarge", {
  /** The file's path. */
  path: Schema.String,
  /** Bytes. */
  size: Schema.Number,
  /** Bytes. */
  limit: Schema.Number,
}) {
  override get message() {
    return `${quote(this.path)} is ${this.size} bytes, more than the ${this.limit} bytes that can be read at once. Read a part of it, or download it.`
  }
}

/** A file that is read as text is not UTF-8: decoded and written back, it would be another file. */
export class NotText extends TaggedError<NotText>()("NotText", {
  /** The file's path. */
  path: Schema.String,
}) {
  override get message() {
    return `${quote(this.path)} is not UTF-8 text. Read its bytes with read, and decode them in their own encoding.`
  }
}

/** The sandbox's user may not do that with this file. */
export class PermissionDenied extends TaggedError<PermissionDenied>()("PermissionDenied", {
  /** The path that was refused. */
  path: Schema.String,
}) {
  override get message() {
    return `The sandbox's user has no permission to do that at ${quote(this.path)}. Choose a path that it owns, or change the permissions.`
  }
}

/** Something is already where something new was to be. */
export class AlreadyExists extends TaggedError<AlreadyExists>()("AlreadyExists", {
  /** The path that is taken. */
  path: Schema.String,
}) {
  override get message() {
    return `There is already something at ${quote(this.path)}. Remove it first, or choose another path.`
  }
}

/** A folder that was to be removed has something in it; removing it all takes `recursive: true`. */
export class DirectoryNotEmpty extends TaggedError<DirectoryNotEmpty>()("DirectoryNotEmpty", {
  /** The folder's path. */
  path: Schema.String,
}) {
  override get message() {
    return `The folder ${quote(this.path)} is not empty. Remove it with recursive: true, which removes everything in it.`
  }
}

/** A folder holds more files than are listed at once. */
export class TooManyFiles extends TaggedError<TooManyFiles>()("TooManyFiles", {
  /** The folder's path. */
  path: Schema.String,
  /** The most files that are listed at once. */
  limit: Schema.Number,
}) {
  override get message() {
    return `There are more than ${this.limit} files at ${quote(this.path)}. Give a deeper folder, a smaller depth, or a higher limit.`
  }
}

/** The disk (of the sandbox, or of session storage) refused: full, read-only, or broken. */
export class StorageFailed extends TaggedError<StorageFailed>()("StorageFailed", {
  /** The path of the operation. */
  path: Schema.String,
  /** What the disk answered, in words that follow a colon. */
  reason: Schema.String,
}) {
  override get message() {
    return `The file operation at ${quote(this.path)} failed: ${this.reason}.`
  }
}

/** An archive that is cut short, malformed, or holds what must not be unpacked. */
export class InvalidArchive extends TaggedError<InvalidArchive>()("InvalidArchive", {
  /** What is wrong with it, in words that follow a colon. */
  reason: Schema.String,
}) {
  override get message() {
    return `The archive can't be used: ${this.reason}.`
  }
}
