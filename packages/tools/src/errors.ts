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

/** A picture that a model can't be shown. */
export class PictureUnfit extends TaggedError<PictureUnfit>()("PictureUnfit", {
  path: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `The picture ${JSON.stringify(this.path)} can't be shown: ${this.reason}. Its bytes can be read with offset and length.`
  }
}

/** Everything that a tool's handler may fail with. */
export type ToolError = CordonError | TransferError | BinaryFile | PictureUnfit
