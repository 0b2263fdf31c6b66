import { Schema } from "effect"
import { TaggedError } from "./TaggedError.ts"

/** It was closed, and takes no more calls; those that were under way were broken off. */
export class Closed extends TaggedError<Closed>()("Closed", {
  /** What was closed: `session "ada"`. */
  subject: Schema.String,
}) {
  override get message() {
    return `The ${this.subject} was closed. Open another one, and close it only when all work is done.`
  }
}
