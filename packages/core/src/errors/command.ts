import { Schema } from "effect"
import { TaggedError } from "./TaggedError.ts"

/** A command that had to succeed ended with another exit code than 0. */
export class CommandFailed extends TaggedError<CommandFailed>()("CommandFailed", {
  /** 0 to 255; 128 plus the signal's number for a command that a signal killed. */
  exitCode: Schema.Number,
  /** What it wrote to its standard output, cut to the output limit. */
  stdout: Schema.String,
  /** What it wrote to its standard error, cut to the output limit. */
  stderr: Schema.String,
}) {
  override get message() {
    return `The command ended with exit code ${this.exitCode}${this.stderr === "" ? "" : `: ${this.stderr.slice(-2000).trim()}`}`
  }
}

/** A command that had to succeed was killed when its time was up. */
export class ExecTimedOut extends TaggedError<ExecTimedOut>()("ExecTimedOut", {
  /** Milliseconds. */
  timeout: Schema.Number,
  /** What it had written to its standard output, cut to the output limit. */
  stdout: Schema.String,
  /** What it had written to its standard error, cut to the output limit. */
  stderr: Schema.String,
}) {
  override get message() {
    return `The command was killed after ${this.timeout} ms. Give it a longer timeout, or run it in the background.`
  }
}

/** A lasting shell could not begin, or not go on. */
export class ShellUnavailable extends TaggedError<ShellUnavailable>()("ShellUnavailable", {
  /** Why, in words that follow a colon. */
  reason: Schema.String,
}) {
  override get message() {
    return `The shell can't be used: ${this.reason}. Try again, or run the command with exec, which does not use this shell.`
  }
}
