import { Schema } from "effect"
import { TaggedError } from "./TaggedError.ts"

/** Something failed in a way that nothing here foresees; `cause` is what did. */
export class Unexpected extends TaggedError<Unexpected>()("Unexpected", {
  /** The message of what was thrown. */
  reason: Schema.String,
}) {
  override get message() {
    return `Cordon failed unexpectedly: ${this.reason}. This is a bug in Cordon or in a driver. Please report it with its cause.`
  }

  /** Of anything that was thrown. */
  static of(cause: unknown): Unexpected {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const error = new Unexpected({ reason })
    Object.defineProperty(error, "cause", { value: cause, configurable: true, writable: true })
    return error
  }
}
