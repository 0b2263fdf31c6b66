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
    return `Egress rules can't be applied to sandbox ${quote(this.sandbox)}: ${this.reason}. They need a shell and the user root in its image, and free ports in the sandbox: 3128, and those of destinations of transparent rules.`
  }
}
