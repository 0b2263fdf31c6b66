import { Schema } from "effect"
import { quote } from "./quote.ts"
import { TaggedError } from "./TaggedError.ts"

/** No sandbox of that name or ID in this session (another session's sandboxes do not exist to it). */
export class SandboxNotFound extends TaggedError<SandboxNotFound>()("SandboxNotFound", {
  /** The name or the ID that was asked for. */
  sandbox: Schema.String,
}) {
  override get message() {
    return `There is no sandbox ${quote(this.sandbox)} in this session. List the sandboxes to see their names, or create it.`
  }
}

/** The sandbox is stopped, paused or being removed: only a running one can do that. */
export class SandboxNotRunning extends TaggedError<SandboxNotRunning>()("SandboxNotRunning", {
  /** The sandbox's name or its ID. */
  sandbox: Schema.String,
  /** What it is instead: `created`, `paused`, `stopped` or `removing`. */
  status: Schema.String,
}) {
  override get message() {
    return `Sandbox ${quote(this.sandbox)} is ${this.status}, not running. ${this.status === "paused" ? "Resume" : "Start"} it first.`
  }
}

/** The session has a sandbox of that name already. */
export class SandboxNameTaken extends TaggedError<SandboxNameTaken>()("SandboxNameTaken", {
  /** The name that is taken. */
  sandbox: Schema.String,
}) {
  override get message() {
    return `A sandbox named ${quote(this.sandbox)} already exists in this session. Use it, remove it, or choose another name.`
  }
}

/**
 * The sandbox could not be ended, or its host answers nothing about it any more. It is refused from then
 * on and gone from its session, its name is free, and it is removed as soon as its host can do that.
 */
export class SandboxCondemned extends TaggedError<SandboxCondemned>()("SandboxCondemned", {
  /** The sandbox's ID. */
  sandbox: Schema.String,
  /** What happened, in words. */
  reason: Schema.String,
}) {
  override get message() {
    return `Sandbox ${quote(this.sandbox)} can't be used any more: ${this.reason}. It will be removed as soon as its host allows. Create another one; the name is free.`
  }
}

/** The sandbox's memory limit killed a process (or, with some runtimes, the sandbox). */
export class OutOfMemory extends TaggedError<OutOfMemory>()("OutOfMemory", {
  /** The sandbox's name or its ID. */
  sandbox: Schema.String,
}) {
  override get message() {
    return `A process in sandbox ${quote(this.sandbox)} was killed at its memory limit. Use less memory, or create a sandbox with a higher limit.`
  }
}
