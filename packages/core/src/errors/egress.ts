import { Schema } from "effect"
import { quote } from "./quote.ts"
import { TaggedError } from "./TaggedError.ts"

/** The way out of a sandbox could not be opened. Nothing gets out of it. */
export class EgressUnavailable extends TaggedError<EgressUnavailable>()("EgressUnavailable", {
  /** The sandbox's name within its session. */
  sandbox: Schema.String,
  /** Why, in words that follow a colon. */
  reason: Schema.String,
}) {
  override get message() {
    return `The way out of sandbox ${quote(this.sandbox)} can't be opened: ${this.reason}. Its image needs a shell and root for that, and port 3128 of the sandbox must be free.`
  }
}
