import { type CordonError, TaggedError, type TransferError } from "@cordon/core"
import { Schema } from "effect"

/** A file was asked for as text, but is not UTF-8 text. */
export class BinaryFile extends TaggedError<BinaryFile>()("BinaryFile", {
  path: Schema.String,
  /** Bytes. */
  size: Schema.Number,
}) {
  override get message() {
    return `${JSON.stringify(this.path)} (${this.size} bytes) is binary or not UTF-8 text. Read it with "encoding": "base64", or look at it with sandbox_exec (file, xxd, iconv).`
  }
}

/** An edit was refused and the file is unchanged: it does not contain the text to be edited. */
export class EditRefused extends TaggedError<EditRefused>()("EditRefused", {
  path: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `${JSON.stringify(this.path)} was not changed: ${this.reason}.`
  }
}

/** A patch could not be written to all of its files, and what was written could not all be undone. */
export class PatchHalfApplied extends TaggedError<PatchHalfApplied>()("PatchHalfApplied", {
  /** The files that may be changed. */
  paths: Schema.Array(Schema.String),
  /** The tag of the error that it failed with. */
  reason: Schema.String,
}) {
  override get message() {
    const some = this.paths.slice(0, 5).map((path) => JSON.stringify(path))
    const more =
      this.paths.length > some.length ? ` and ${this.paths.length - some.length} more` : ""
    return `The patch could not be written (${this.reason}), nor undone everywhere. Look at these files, which may be changed: ${some.join(", ")}${more}.`
  }
}

/** A picture that a model can't be shown. */
export class PictureUnfit extends TaggedError<PictureUnfit>()("PictureUnfit", {
  path: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `The picture ${JSON.stringify(this.path)} can't be shown: ${this.reason}. Its bytes can be read with offset and length.`
  }
}

/** The errors of a tool's handler. */
export type ToolError =
  | CordonError
  | TransferError
  | BinaryFile
  | PictureUnfit
  | EditRefused
  | PatchHalfApplied
