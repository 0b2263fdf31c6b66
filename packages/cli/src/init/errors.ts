import { TaggedError } from "@cordon/core"
import { Schema } from "effect"

/** The folder has files of its own where the starter's would go. Nothing was written. */
export class StarterFilesExist extends TaggedError<StarterFilesExist>()("StarterFilesExist", {
  folder: Schema.String,
  files: Schema.Array(Schema.String),
}) {
  override get message() {
    return `${this.folder} has ${this.files.join(", ")} already, and nothing is overwritten. Name another folder, or move them away.`
  }
}

/** The starter could not be written. What had been written is removed again. */
export class StarterNotWritten extends TaggedError<StarterNotWritten>()("StarterNotWritten", {
  folder: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `No starter could be written to ${this.folder}: ${this.reason}. Check the path and who may write there.`
  }
}
