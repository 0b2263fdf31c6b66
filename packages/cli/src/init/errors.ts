import { TaggedError } from "@cordon/core"
import { Schema } from "effect"

/** The folder already has files with the names of the starter's. Nothing was written. */
export class StarterFilesExist extends TaggedError<StarterFilesExist>()("StarterFilesExist", {
  folder: Schema.String,
  files: Schema.Array(Schema.String),
}) {
  override get message() {
    return `${this.folder} already has ${this.files.join(", ")}, and no file is overwritten. Name another folder, or move these files.`
  }
}

/** The starter could not be written. Files that were written before are removed again. */
export class StarterNotWritten extends TaggedError<StarterNotWritten>()("StarterNotWritten", {
  folder: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `No starter could be written to ${this.folder}: ${this.reason}. Check the path, and that you may write there.`
  }
}
