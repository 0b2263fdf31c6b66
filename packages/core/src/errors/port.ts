import { Schema } from "effect"
import { TaggedError } from "./TaggedError.ts"

/** Nothing in the sandbox listens on the port, or nothing in its image can pass on what comes. */
export class PortUnreachable extends TaggedError<PortUnreachable>()("PortUnreachable", {
  /** The port's number in the sandbox. */
  port: Schema.Number,
  /** Why, in words that follow a colon. */
  reason: Schema.String,
}) {
  override get message() {
    return `Port ${this.port} of the sandbox can't be reached: ${this.reason}. Check that the program runs and listens on this port.`
  }
}

/** A program of the sandbox listens on the port already, or nobody may listen on it. */
export class PortUnavailable extends TaggedError<PortUnavailable>()("PortUnavailable", {
  /** The port's number in the sandbox. */
  port: Schema.Number,
  /** Why, in words that follow a colon. */
  reason: Schema.String,
}) {
  override get message() {
    return `Port ${this.port} of the sandbox can't be listened on: ${this.reason}. Choose another port, or end the program that listens on it.`
  }
}
