import type { CordonError } from "@cordon/core"
import { PlatformError } from "effect"

type Tag = PlatformError.SystemErrorTag

const tags: Partial<Record<CordonError["_tag"], Tag>> = {
  FileNotFound: "NotFound",
  AlreadyExists: "AlreadyExists",
  PermissionDenied: "PermissionDenied",
  NotADirectory: "BadResource",
  NotAFile: "BadResource",
  NotText: "InvalidData",
  ExecTimedOut: "TimedOut",
  SandboxNotFound: "BadResource",
  SandboxNotRunning: "BadResource",
  SandboxCondemned: "BadResource",
  LeaseLost: "BadResource",
  Closed: "BadResource",
}

/** The module, method and path that the port's errors name. */
export interface Place {
  readonly module: "FileSystem" | "ChildProcess"
  readonly method: string
  readonly path?: string | undefined
}

/** A failure as an operating system has it. */
export const systemError = (
  { module, method, path }: Place,
  _tag: Tag,
  description: string,
  cause?: unknown,
): PlatformError.PlatformError =>
  PlatformError.systemError({
    _tag,
    module,
    method,
    description,
    pathOrDescriptor: path,
    cause,
  })

/** The error for an invalid argument, or for something that a sandbox does not support. */
export const badArgument = (
  { module, method }: Place,
  description: string,
  cause?: unknown,
): PlatformError.PlatformError =>
  PlatformError.badArgument({
    module,
    method,
    description,
    cause,
  })

/** An error of Cordon's, which stays its cause. */
export const platformError =
  (place: Place) =>
  (error: CordonError): PlatformError.PlatformError =>
    error._tag === "InvalidInput" || error._tag === "InvalidPath"
      ? badArgument(place, error.message, error)
      : systemError(place, tags[error._tag] ?? "Unknown", error.message, error)

const gone = ["SandboxNotFound", "SandboxNotRunning", "SandboxCondemned", "LeaseLost", "Closed"]

/** Whether the sandbox is gone, so that nothing in it needs a clean-up. */
export const isGone = ({ cause }: PlatformError.PlatformError): boolean =>
  typeof cause === "object" &&
  cause !== null &&
  "_tag" in cause &&
  gone.some((tag) => tag === cause._tag)
