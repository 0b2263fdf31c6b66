/**
 * One tagged class for each failure that a caller can act on. Each message says what was wrong and
 * what to do next, and is fit to be shown to a model; none carries a secret.
 */
import { Schema } from "effect"
import { TaggedError } from "./TaggedError.ts"

/** No sandbox of that name or ID in this session (another session's sandboxes do not exist to it). */
export class SandboxNotFound extends TaggedError<SandboxNotFound>()("SandboxNotFound", {
  sandbox: Schema.String,
}) {
  override get message() {
    return `There is no sandbox ${quote(this.sandbox)} in this session. List the sandboxes to see their names, or create it.`
  }
}

/** The sandbox is stopped, paused or being removed: only a running one can do that. */
export class SandboxNotRunning extends TaggedError<SandboxNotRunning>()("SandboxNotRunning", {
  sandbox: Schema.String,
  status: Schema.String,
}) {
  override get message() {
    return `Sandbox ${quote(this.sandbox)} is ${this.status}, not running. Start it first.`
  }
}

/** The session has a sandbox of that name already. */
export class SandboxNameTaken extends TaggedError<SandboxNameTaken>()("SandboxNameTaken", {
  sandbox: Schema.String,
}) {
  override get message() {
    return `A sandbox named ${quote(this.sandbox)} already exists in this session. Use it, remove it, or choose another name.`
  }
}

/** Neither the host nor the registry has an image of that name. */
export class ImageNotFound extends TaggedError<ImageNotFound>()("ImageNotFound", {
  image: Schema.String,
}) {
  override get message() {
    return `Image ${quote(this.image)} is neither on the host nor in its registry. Check the name and the tag. A registry may also say so of a private image when credentials for it are missing or wrong.`
  }
}

/**
 * Why an image could not be pulled. No text of a registry or an engine is among them: who names an
 * image must not read what is at an address through an engine's words.
 */
export const PullFailure = Schema.Literals([
  "login",
  "credentials",
  "helper",
  "busy",
  "certificate",
  "timeout",
  "unreachable",
  "space",
  "platform",
  "other",
])
export type PullFailure = typeof PullFailure.Type

const pullFailures: Readonly<Record<PullFailure, string>> = {
  login:
    "its registry wants a login, and got none; give registryCredentials for it or run docker login, and name the image in the settings (image, allow.images)",
  credentials:
    "its registry refuses the credentials that it was given; see that they are right, not expired, and may read this image",
  helper:
    "the credentials for its registry could not be read from Docker's configuration on this machine; the program's log has the reason",
  busy: "its registry has had too many requests for now",
  certificate: "its registry has no certificate that the host trusts, or does not speak TLS",
  timeout: "its registry did not answer in time",
  unreachable: "its registry can't be reached from the host",
  space: "the host has no disk space left for it",
  platform: "it is not there for the host's architecture",
  other: "its registry or the engine failed; what they said is in the program's debug log",
}

/** The reasons that say themselves what to do. */
const advised: ReadonlyArray<PullFailure> = ["login", "credentials", "helper"]
const otherwise =
  "Check the host's access to the registry, or use an image that the host already has."

/** The registry or the way to it failed; the image may well exist. */
export class ImagePullFailed extends TaggedError<ImagePullFailed>()("ImagePullFailed", {
  image: Schema.String,
  reason: PullFailure,
}) {
  override get message() {
    return `Image ${quote(this.image)} could not be pulled: ${pullFailures[this.reason]}. ${advised.includes(this.reason) ? "" : otherwise}`.trimEnd()
  }
}

/** The image exists but can't carry a sandbox. */
export class ImageUnusable extends TaggedError<ImageUnusable>()("ImageUnusable", {
  image: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `Image ${quote(this.image)} can't run as a sandbox: ${this.reason}. Use an image that has a POSIX shell at /bin/sh.`
  }
}

/** The host does not offer the runtime that was asked for. */
export class RuntimeUnavailable extends TaggedError<RuntimeUnavailable>()("RuntimeUnavailable", {
  runtime: Schema.String,
  available: Schema.Array(Schema.String),
}) {
  override get message() {
    return `Runtime ${quote(this.runtime)} is not available on this host, which offers: ${this.available.join(", ") || "none"}. Choose one of those, or register it with the engine.`
  }
}

/** A limit is not a positive amount, or is more than the host has. */
export class InvalidLimits extends TaggedError<InvalidLimits>()("InvalidLimits", {
  limit: Schema.Literals(["memory", "cpus", "pids", "disk"]),
  given: Schema.String,
  expected: Schema.String,
}) {
  override get message() {
    return `Limit ${this.limit} is ${this.given}, but must be ${this.expected}.`
  }
}

/** The host does not enforce a limit that the settings require it to (`requireLimits`). */
export class LimitsNotEnforced extends TaggedError<LimitsNotEnforced>()("LimitsNotEnforced", {
  limits: Schema.Array(Schema.Literals(["memory", "cpus", "pids", "disk"])),
}) {
  override get message() {
    return `This host does not enforce the limits of ${this.limits.join(", ")}, which the program's settings require (requireLimits). Use another host; cordon doctor says what this one lacks.`
  }
}

/** A sandbox was asked for that is more than the program's settings allow; see `Settings.allow`. */
export class NotAllowed extends TaggedError<NotAllowed>()("NotAllowed", {
  /** What part of the sandbox. */
  part: Schema.Literals([
    "runtime",
    "network",
    "memory",
    "cpus",
    "pids",
    "disk",
    "image",
    "egress",
  ]),
  asked: Schema.String,
  /** What may be asked for instead, in words. */
  allowed: Schema.String,
}) {
  override get message() {
    const asked = /^(image|runtime|network)$/.test(this.part) ? quote(this.asked) : this.asked
    return `${inWords[this.part]} ${asked} is not allowed here. Allowed: ${this.allowed}. Ask for that or leave it out; only the program's settings (allow) can allow more.`
  }
}

const inWords = {
  runtime: "The runtime",
  network: "The network",
  memory: "A memory limit of",
  cpus: "A limit of",
  pids: "A limit of",
  disk: "A limit of disk space of",
  image: "The image",
  egress: "A way out to",
}

/** Input that does not have the documented shape. */
export class InvalidInput extends TaggedError<InvalidInput>()("InvalidInput", {
  subject: Schema.String,
  issue: Schema.String,
}) {
  override get message() {
    return `Invalid ${this.subject}: ${this.issue}`
  }
}

/** A path that no file in a sandbox can have, or that leaves where it has to stay. */
export class InvalidPath extends TaggedError<InvalidPath>()("InvalidPath", {
  path: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `Path ${quote(this.path)} can't be used: ${this.reason}.`
  }
}

/** There is no such file or folder in the sandbox. */
export class FileNotFound extends TaggedError<FileNotFound>()("FileNotFound", {
  path: Schema.String,
}) {
  override get message() {
    return `There is no file at ${quote(this.path)}. Check the path; relative paths start at the working directory.`
  }
}

/** Something else stands where a regular file (or a directory) is needed. */
export class NotAFile extends TaggedError<NotAFile>()("NotAFile", {
  path: Schema.String,
  kind: Schema.String,
}) {
  override get message() {
    return `${quote(this.path)} is a ${this.kind}, not a regular file. Give the path of a file.`
  }
}

/** A folder is needed where the path, or a part of it, is something else. */
export class NotADirectory extends TaggedError<NotADirectory>()("NotADirectory", {
  path: Schema.String,
}) {
  override get message() {
    return `${quote(this.path)}, or what is above it, is no folder. Give the path of a folder, or of something in one.`
  }
}

/** A file is bigger than may be read at once (`fileLimit`); read a part of it, or stream it. */
export class FileTooLarge extends TaggedError<FileTooLarge>()("FileTooLarge", {
  path: Schema.String,
  /** Bytes. */
  size: Schema.Number,
  /** Bytes. */
  limit: Schema.Number,
}) {
  override get message() {
    return `${quote(this.path)} is ${this.size} bytes, more than the ${this.limit} that can be read at once. Read a part of it, or download it.`
  }
}

/** A file that is read as text is not UTF-8: decoded and written back, it would be another file. */
export class NotText extends TaggedError<NotText>()("NotText", { path: Schema.String }) {
  override get message() {
    return `${quote(this.path)} is not UTF-8 text. Read its bytes with read, and decode them as what they are.`
  }
}

/** The sandbox's user may not do that with this file. */
export class PermissionDenied extends TaggedError<PermissionDenied>()("PermissionDenied", {
  path: Schema.String,
}) {
  override get message() {
    return `The sandbox's user may not do that at ${quote(this.path)}. Choose a path it owns, or change the permissions.`
  }
}

/** Something is already where something new was to be. */
export class AlreadyExists extends TaggedError<AlreadyExists>()("AlreadyExists", {
  path: Schema.String,
}) {
  override get message() {
    return `There is already something at ${quote(this.path)}. Remove it first, or choose another path.`
  }
}

/** A folder that was to be removed has something in it; removing it all takes `recursive: true`. */
export class DirectoryNotEmpty extends TaggedError<DirectoryNotEmpty>()("DirectoryNotEmpty", {
  path: Schema.String,
}) {
  override get message() {
    return `The folder ${quote(this.path)} is not empty. Remove it with recursive: true to remove all that is in it.`
  }
}

/** A folder holds more files than are listed at once. */
export class TooManyFiles extends TaggedError<TooManyFiles>()("TooManyFiles", {
  path: Schema.String,
  limit: Schema.Number,
}) {
  override get message() {
    return `There are more than ${this.limit} files at ${quote(this.path)}. Give a folder further down, less depth, or a higher limit.`
  }
}

/** The disk (of the sandbox, or of session storage) refused: full, read-only, or broken. */
export class StorageFailed extends TaggedError<StorageFailed>()("StorageFailed", {
  path: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `The file operation at ${quote(this.path)} failed: ${this.reason}.`
  }
}

/** An archive that is cut short, malformed, or holds what must not be unpacked. */
export class InvalidArchive extends TaggedError<InvalidArchive>()("InvalidArchive", {
  reason: Schema.String,
}) {
  override get message() {
    return `The archive can't be used: ${this.reason}.`
  }
}

/** A command that had to succeed ended with another exit code than 0. */
export class CommandFailed extends TaggedError<CommandFailed>()("CommandFailed", {
  exitCode: Schema.Number,
  stdout: Schema.String,
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
  stdout: Schema.String,
  stderr: Schema.String,
}) {
  override get message() {
    return `The command was killed after ${this.timeout} ms. Give it a longer timeout, or run it in the background.`
  }
}

/** The sandbox's memory limit killed a process (or, with some runtimes, the sandbox). */
export class OutOfMemory extends TaggedError<OutOfMemory>()("OutOfMemory", {
  sandbox: Schema.String,
}) {
  override get message() {
    return `A process in sandbox ${quote(this.sandbox)} was killed at its memory limit. Use less memory, or create a sandbox with a higher limit.`
  }
}

/** Something countable is used up: what a session or a host may have, subnets of the pool. */
export class QuotaExceeded extends TaggedError<QuotaExceeded>()("QuotaExceeded", {
  resource: Schema.String,
  limit: Schema.Number,
}) {
  override get message() {
    return `The limit of ${this.limit} ${this.resource} is reached. Remove a sandbox that is no longer needed, or raise the limit.`
  }
}

/** Nothing that speaks the engine's protocol answered at the endpoint. */
export class EngineUnreachable extends TaggedError<EngineUnreachable>()("EngineUnreachable", {
  endpoint: Schema.String,
  reason: Schema.String,
  /**
   * Whether what was asked arrived, where that is known:
   * - `never`: nothing of it was begun, so it may be asked again.
   * - `perhaps`: it may have been done, or may be under way.
   * - `yes`: it was begun, and how it ended is not known.
   */
  delivered: Schema.optionalKey(Schema.Literals(["never", "perhaps", "yes"])),
}) {
  override get message() {
    return `The container engine at ${this.endpoint} does not answer: ${this.reason}. Check that it runs and that this program may use it; npx @cordon/cli doctor tells what is wrong.`
  }
}

/**
 * The sandbox could not be ended, or its host answers nothing about it any more. It is refused from then
 * on and gone from its session, its name is free, and it is removed as soon as its host can do that.
 */
export class SandboxCondemned extends TaggedError<SandboxCondemned>()("SandboxCondemned", {
  sandbox: Schema.String,
  /** What happened, in words. */
  reason: Schema.String,
}) {
  override get message() {
    return `Sandbox ${quote(this.sandbox)} can't be used any more, and is removed as soon as its host can: ${this.reason}. Create another one; the name is free.`
  }
}

/** The engine answered with an error that has no class of its own. */
export class EngineError extends TaggedError<EngineError>()("EngineError", {
  operation: Schema.String,
  /** HTTP status of the engine's answer; 0 where the answer was broken off or not understood. */
  status: Schema.Number,
  detail: Schema.String,
  /**
   * Whether `detail` is in our own words, fit to be shown to a model: what engines say may hold what
   * others told them, addresses and paths of the host, and names of other sessions' sandboxes.
   */
  ours: Schema.optionalKey(Schema.Boolean),
}) {
  override get message() {
    return `The container engine failed to ${this.operation}${this.status === 0 ? "" : ` (status ${this.status})`}: ${this.detail}`
  }
}

/** No background process of that name in the sandbox. */
export class ProcessNotFound extends TaggedError<ProcessNotFound>()("ProcessNotFound", {
  process: Schema.String,
}) {
  override get message() {
    return `There is no background process ${quote(this.process)} in this sandbox. List the processes to see their names, or start it.`
  }
}

/** A background process of that name is in the sandbox already. */
export class ProcessNameTaken extends TaggedError<ProcessNameTaken>()("ProcessNameTaken", {
  process: Schema.String,
}) {
  override get message() {
    return `A background process named ${quote(this.process)} is running already. Use it, kill it, or choose another name.`
  }
}

/** A background process did not begin: nothing of it is left. */
export class ProcessNotStarted extends TaggedError<ProcessNotStarted>()("ProcessNotStarted", {
  process: Schema.String,
  /**
   * - `notFound`: the sandbox has no such program.
   * - `notExecutable`: the program is there and can't be run.
   * - `cannotFork`: the sandbox has no process slot or memory left, or no room for one more background process.
   */
  why: Schema.Literals(["notFound", "notExecutable", "cannotFork"]),
  reason: Schema.String,
}) {
  override get message() {
    const help = {
      notFound: "Check the program's name, or use an image that has it.",
      notExecutable: "Check the program's permissions and format.",
      cannotFork: "End what is no longer needed, or create a sandbox with higher limits.",
    }
    return `The background process ${quote(this.process)} did not start: ${this.reason}. ${help[this.why]}`
  }
}

/** A background process takes no input. */
export class ProcessInputClosed extends TaggedError<ProcessInputClosed>()("ProcessInputClosed", {
  process: Schema.String,
}) {
  override get message() {
    return `The background process ${quote(this.process)} takes no input: it has ended, its input was closed, or it was started without "stdin: true".`
  }
}

/** Nothing in the sandbox listens on the port, or nothing in its image can pass on what comes. */
export class PortUnreachable extends TaggedError<PortUnreachable>()("PortUnreachable", {
  port: Schema.Number,
  reason: Schema.String,
}) {
  override get message() {
    return `Port ${this.port} of the sandbox can't be reached: ${this.reason}. Check that the program there runs and what port it listens on.`
  }
}

/** A program of the sandbox listens on the port already, or nobody may listen on it. */
export class PortUnavailable extends TaggedError<PortUnavailable>()("PortUnavailable", {
  port: Schema.Number,
  reason: Schema.String,
}) {
  override get message() {
    return `Port ${this.port} of the sandbox can't be listened on: ${this.reason}. Choose another one, or end the program that listens there.`
  }
}

/** The session has no snapshot of that name. */
export class SnapshotNotFound extends TaggedError<SnapshotNotFound>()("SnapshotNotFound", {
  snapshot: Schema.String,
}) {
  override get message() {
    return `There is no snapshot ${quote(this.snapshot)} in this session. List the snapshots to see their names, or take it.`
  }
}

/** The session has a snapshot of that name already. */
export class SnapshotNameTaken extends TaggedError<SnapshotNameTaken>()("SnapshotNameTaken", {
  snapshot: Schema.String,
}) {
  override get message() {
    return `A snapshot named ${quote(this.snapshot)} already exists in this session. Use it, remove it, or choose another name.`
  }
}

/** A snapshot that a sandbox was made from. */
export class SnapshotInUse extends TaggedError<SnapshotInUse>()("SnapshotInUse", {
  snapshot: Schema.String,
}) {
  override get message() {
    return `Snapshot ${quote(this.snapshot)} is in use. Remove the sandboxes that were made from it first.`
  }
}

/** The image has no `git`; nothing can be cloned in it. */
export class GitMissing extends TaggedError<GitMissing>()("GitMissing", {
  image: Schema.String,
}) {
  override get message() {
    return `Image ${quote(this.image)} has no git. Install it in the sandbox, or use an image that has it.`
  }
}

/** The server of a repository wants credentials, or others. */
export class GitAuthFailed extends TaggedError<GitAuthFailed>()("GitAuthFailed", {
  url: Schema.String,
  /** Whether credentials were given. */
  given: Schema.Boolean,
}) {
  override get message() {
    return this.given
      ? `The credentials may not read the repository ${quote(this.url)}. Check that they are valid, and for this repository.`
      : `The repository ${quote(this.url)} can't be read without credentials, or does not exist. Check the URL, or give credentials.`
  }
}

/** There is no such repository, or the credentials may not see it. */
export class RepositoryNotFound extends TaggedError<RepositoryNotFound>()("RepositoryNotFound", {
  url: Schema.String,
}) {
  override get message() {
    return `There is no repository at ${quote(this.url)}, or none that these credentials may see. Check the URL.`
  }
}

/** The repository is there, the branch or tag is not. */
export class BranchNotFound extends TaggedError<BranchNotFound>()("BranchNotFound", {
  url: Schema.String,
  branch: Schema.String,
}) {
  override get message() {
    return `The repository ${quote(this.url)} has no branch or tag ${quote(this.branch)}. Check its name.`
  }
}

/** Git failed in a way that has no class of its own: no way to the server, a broken repository. */
export class CloneFailed extends TaggedError<CloneFailed>()("CloneFailed", {
  url: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `The repository ${quote(this.url)} could not be cloned: ${this.reason}. Check the URL and that the sandbox's network leads there.`
  }
}

/** The driver can't do this for any sandbox. */
export class Unsupported extends TaggedError<Unsupported>()("Unsupported", {
  /** As a driver's capabilities name it. */
  feature: Schema.String,
  driver: Schema.String,
}) {
  override get message() {
    return `The ${this.driver} driver has no ${this.feature}. Do without, or use a driver whose capabilities list them.`
  }
}

/** A lasting shell could not begin, or not go on. */
export class ShellUnavailable extends TaggedError<ShellUnavailable>()("ShellUnavailable", {
  reason: Schema.String,
}) {
  override get message() {
    return `The shell can't be used: ${this.reason}. Try again, or run the command with exec, which needs no shell that lasts.`
  }
}

/** Another holder took the sandbox over, or its lease ran out and it was removed. */
export class LeaseLost extends TaggedError<LeaseLost>()("LeaseLost", {
  sandbox: Schema.String,
}) {
  override get message() {
    return `The lease on sandbox ${quote(this.sandbox)} ran out or was taken over. Get the sandbox again if it still exists, or create a new one.`
  }
}

/** The store that keeps the leases failed; the sandboxes themselves may be well. */
export class LeaseStoreFailed extends TaggedError<LeaseStoreFailed>()("LeaseStoreFailed", {
  operation: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `The lease store failed to ${this.operation}: ${this.reason}. Check the store; the sandbox itself is untouched.`
  }
}

/** It was closed, and takes no more calls; those that were under way were broken off. */
export class Closed extends TaggedError<Closed>()("Closed", {
  /** What was closed: `session "ada"`. */
  subject: Schema.String,
}) {
  override get message() {
    return `The ${this.subject} was closed. Open another one, and close it only when all is done.`
  }
}

/** Something failed in a way that nothing here foresees; `cause` is what did. */
export class Unexpected extends TaggedError<Unexpected>()("Unexpected", {
  reason: Schema.String,
}) {
  override get message() {
    return `Something failed that should not: ${this.reason}. This is a fault of Cordon, or of a driver. Please report it with its cause.`
  }

  /** Of anything that was thrown. */
  static of(cause: unknown): Unexpected {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const error = new Unexpected({ reason })
    Object.defineProperty(error, "cause", { value: cause, configurable: true, writable: true })
    return error
  }
}

/** What a use of a sandbox may fail with before it is reached. */
export type LeaseError =
  | Closed
  | SandboxNotFound
  | SandboxNotRunning
  | LeaseLost
  | LeaseStoreFailed
  | HostError

/** What any call to a host may fail with. */
export type HostError = EngineUnreachable | EngineError | SandboxCondemned

/** What a creation may fail with; nothing of the sandbox is left then. */
export type CreateError =
  | SandboxNameTaken
  | ImageNotFound
  | ImagePullFailed
  | ImageUnusable
  | RuntimeUnavailable
  | LimitsNotEnforced
  | InvalidLimits
  | InvalidInput
  | NotAllowed
  | QuotaExceeded
  | Unsupported
  | HostError

/** What a command may fail with before it has an exit code. */
export type ExecError = SandboxNotFound | SandboxNotRunning | InvalidPath | InvalidInput | HostError

/** What reading, writing or changing files may fail with. */
export type FileError =
  | SandboxNotFound
  | SandboxNotRunning
  | InvalidPath
  | FileNotFound
  | NotAFile
  | NotADirectory
  | PermissionDenied
  | StorageFailed
  | InvalidArchive
  | HostError

/** Every error of Cordon. */
export type CordonError =
  | CreateError
  | ExecError
  | FileError
  | FileTooLarge
  | NotText
  | AlreadyExists
  | DirectoryNotEmpty
  | TooManyFiles
  | CommandFailed
  | ExecTimedOut
  | OutOfMemory
  | Unsupported
  | ProcessNotFound
  | ProcessNameTaken
  | ProcessNotStarted
  | ProcessInputClosed
  | PortUnreachable
  | ShellUnavailable
  | GitMissing
  | GitAuthFailed
  | RepositoryNotFound
  | BranchNotFound
  | CloneFailed
  | SnapshotNotFound
  | SnapshotNameTaken
  | SnapshotInUse
  | LeaseError
  | Unexpected

/** Turns a schema's refusal into {@link InvalidInput}, without repeating the input. */
export const invalidInput =
  (subject: string) =>
  (error: Schema.SchemaError): InvalidInput =>
    new InvalidInput({ subject, issue: error.message })

// Names and paths come from models and archives: show them unambiguously, on one line, and short.
function quote(text: string): string {
  return JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}...` : text)
}
