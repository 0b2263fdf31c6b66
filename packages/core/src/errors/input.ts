import { Schema } from "effect"
import { TaggedError } from "./TaggedError.ts"

/** Input that does not have the documented shape. */
export class InvalidInput extends TaggedError<InvalidInput>()("InvalidInput", {
  subject: Schema.String,
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
