import type { CommandFailed, ExecTimedOut, ShellUnavailable } from "./command.ts"
import type { EgressUnavailable } from "./egress.ts"
import type { EngineError, EngineUnreachable, RuntimeUnavailable, Unsupported } from "./engine.ts"
import type {
  AlreadyExists,
  DirectoryNotEmpty,
  FileNotFound,
  FileTooLarge,
  InvalidArchive,
  InvalidPath,
  NotADirectory,
  NotAFile,
  NotText,
  PermissionDenied,
  StorageFailed,
  TooManyFiles,
} from "./files.ts"
import type {
  BranchNotFound,
  CloneFailed,
  GitAuthFailed,
  GitMissing,
  RepositoryNotFound,
} from "./git.ts"
import type { ImageNotFound, ImagePullFailed, ImageUnusable } from "./image.ts"
import type { InvalidInput } from "./input.ts"
import type { LeaseLost, LeaseStoreFailed } from "./lease.ts"
import type { InvalidLimits, LimitsNotEnforced, NotAllowed, QuotaExceeded } from "./limits.ts"
import type { PortUnavailable, PortUnreachable } from "./port.ts"
import type {
  ProcessInputClosed,
  ProcessNameTaken,
  ProcessNotFound,
  ProcessNotStarted,
} from "./process.ts"
import type {
  OutOfMemory,
  SandboxCondemned,
  SandboxNameTaken,
  SandboxNotFound,
  SandboxNotRunning,
} from "./sandbox.ts"
import type { Closed } from "./session.ts"
import type { SnapshotInUse, SnapshotNameTaken, SnapshotNotFound } from "./snapshot.ts"
import type { Unexpected } from "./unexpected.ts"

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
  | PortUnavailable
  | EgressUnavailable
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
