import { Schema } from "effect"
import { TaggedError } from "./TaggedError.ts"

/** Input that does not have the documented shape. */
export class InvalidInput extends TaggedError<InvalidInput>()("InvalidInput", {
  /** The input that is wrong, as its documentation names it: `timeout`. */
  subject: Schema.String,
  /** What is wrong with it. Values are not repeated, since they may be secrets. */
  issue: Schema.String,
}) {
  override get message() {
    return `Invalid ${this.subject}: ${this.issue}`
  }
}

/** Turns a schema's refusal into {@link InvalidInput}, without repeating the input. */
export const invalidInput =
  (subject: string) =>
  (error: Schema.SchemaError): InvalidInput =>
    new InvalidInput({ subject, issue: error.message })
