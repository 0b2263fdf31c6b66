import { Schema } from "effect"
import { quote } from "./quote.ts"
import { TaggedError } from "./TaggedError.ts"

/** Another holder took the sandbox over, or its lease ran out and it was removed. */
export class LeaseLost extends TaggedError<LeaseLost>()("LeaseLost", {
  /** The sandbox's ID. */
  sandbox: Schema.String,
}) {
  override get message() {
    return `The lease on sandbox ${quote(this.sandbox)} expired, or another program took it over. Get the sandbox again if it still exists, or create a new one.`
  }
}

/** The store that keeps the leases failed; the sandboxes themselves may be well. */
export class LeaseStoreFailed extends TaggedError<LeaseStoreFailed>()("LeaseStoreFailed", {
  /** What was to be done, as a verb and its object. */
  operation: Schema.String,
  /** Why, in words that follow a colon. */
  reason: Schema.String,
}) {
  override get message() {
    return `The lease store failed to ${this.operation}: ${this.reason}. Check the store; the sandbox itself is untouched.`
  }
}
