import { Schema } from "effect"
import { quote } from "./quote.ts"
import { TaggedError } from "./TaggedError.ts"

/** No background process of that name in the sandbox. */
export class ProcessNotFound extends TaggedError<ProcessNotFound>()("ProcessNotFound", {
  /** The name that was asked for. */
  process: Schema.String,
}) {
  override get message() {
    return `There is no background process ${quote(this.process)} in this sandbox. List the processes to see their names, or start it.`
  }
}

/** A background process of that name is in the sandbox already. */
export class ProcessNameTaken extends TaggedError<ProcessNameTaken>()("ProcessNameTaken", {
  /** The name that is taken. */
  process: Schema.String,
}) {
  override get message() {
    return `A background process named ${quote(this.process)} is running already. Use it, kill it, or choose another name.`
  }
}

/** A background process did not begin: nothing of it is left. */
export class ProcessNotStarted extends TaggedError<ProcessNotStarted>()("ProcessNotStarted", {
  /** The name that it was to have. */
  process: Schema.String,
  /**
   * - `notFound`: the sandbox has no such program.
   * - `notExecutable`: the program is there and can't be run.
   * - `cannotFork`: the sandbox has no process slot or memory left, or no room for one more background process.
   */
  why: Schema.Literals(["notFound", "notExecutable", "cannotFork"]),
  /** Why, in words that follow a colon. */
  reason: Schema.String,
}) {
  override get message() {
    const help = {
      notFound: "Check the program's name, or use an image that has it.",
      notExecutable: "Check the program's permissions and format.",
      cannotFork:
        "End processes that are no longer needed, or create a sandbox with higher limits.",
    }
    return `The background process ${quote(this.process)} did not start: ${this.reason}. ${help[this.why]}`
  }
}

/** A background process takes no input. */
export class ProcessInputClosed extends TaggedError<ProcessInputClosed>()("ProcessInputClosed", {
  /** The process's name. */
  process: Schema.String,
}) {
  override get message() {
    return `The background process ${quote(this.process)} takes no input: it has ended, its input was closed, or it was started without "stdin: true". Start it again with "stdin: true".`
  }
}
