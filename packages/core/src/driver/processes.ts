import type { Duration, Effect, Scope } from "effect"
import type {
  ExecError,
  HostError,
  ProcessNameTaken,
  ProcessNotFound,
  ProcessNotStarted,
  SandboxNotFound,
  SandboxNotRunning,
  Unsupported,
} from "../errors.ts"
import type { AttachedProcess, ProcessInfo, ProcessRequest } from "../values/Process.ts"
import type { SandboxId } from "../values/SandboxId.ts"

/** Errors of starting a background process. */
export type StartError = ExecError | ProcessNameTaken | ProcessNotStarted | Unsupported

/** Errors of listing background processes. */
export type ListError = SandboxNotFound | SandboxNotRunning | Unsupported | HostError

/** Errors of using a background process. */
export type AttachError = ListError | ProcessNotFound

/** How a driver runs background processes, which outlive their caller. */
export interface DriverProcesses {
  /**
   * Starts a process that belongs to the sandbox: it outlives the call, this program and its connection. The driver
   * keeps as much of its output as it can. The name of a running process is taken. If a process with this name has
   * ended, the new one takes its place: the old output is dropped, and what the old process left running is killed.
   * An interrupted call leaves no process.
   */
  readonly startProcess: (id: SandboxId, request: ProcessRequest) => Effect.Effect<void, StartError>

  /** The background processes that the sandbox still knows, oldest first. Listing is no use of the sandbox. */
  readonly listProcesses: (id: SandboxId) => Effect.Effect<ReadonlyArray<ProcessInfo>, ListError>

  /**
   * Attaches to a background process, whether it runs or has ended. The end of the scope does not end the process.
   *
   * @param position the byte of its output to begin at, counted over both outputs together. Output that is no longer
   * kept is `Lost`; a position beyond the end means the end
   */
  readonly attachProcess: (
    id: SandboxId,
    name: string,
    position: number,
  ) => Effect.Effect<AttachedProcess<AttachError>, AttachError, Scope.Scope>

  /**
   * Ends a background process with all that it started, and returns once nothing of it is left: SIGTERM to its
   * process group, then SIGKILL for what is left after the grace. If the process has ended already, only what it left
   * running is killed.
   */
  readonly endProcess: (
    id: SandboxId,
    name: string,
    options: {
      /** How long the process has after SIGTERM. */
      readonly grace: Duration.Duration
      /** Whether the process's name, output and exit code are kept. */
      readonly keepLog: boolean
    },
  ) => Effect.Effect<void, AttachError>
}
