import type { Duration, Effect, Stream } from "effect"
import type { AttachError } from "../../driver/processes.ts"
import type {
  ExecError,
  InvalidInput,
  LeaseError,
  ProcessInputClosed,
  ProcessNameTaken,
  ProcessNotStarted,
} from "../../errors.ts"
import type { ExecRequest } from "../../values/Exec.ts"
import type { ProcessEvent, ProcessInfo, Signal } from "../../values/Process.ts"

/** Options of starting a background process. */
export interface StartOptions {
  /** Lower-case letters, digits and hyphens; a random one by default. */
  readonly name?: string | undefined
  /** Relative to the sandbox's working directory, which is also the default. */
  readonly cwd?: string | undefined
  /** Added to the sandbox's own variables, which it overrides; none by default. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** A name or number, optionally with a group (`1000:1000`); the sandbox's user by default. */
  readonly user?: string | undefined
  /**
   * Whether its standard input stays open for `write`, until `closeStdin`. By default the input is empty.
   */
  readonly stdin?: boolean | undefined
}

/** Options of reading the logs of a background process. */
export interface LogOptions {
  /** Bytes of each output, counted from its end; see `Settings.outputLimit` for the default. */
  readonly tail?: number | undefined
}

/** The last part of each output of a process. */
export interface ProcessLogs {
  /** UTF-8. */
  readonly stdout: string
  /** UTF-8. */
  readonly stderr: string
  /** Whether the process wrote more than this: an output was longer, or its beginning is no longer kept. */
  readonly truncated: boolean
}

/** Options of following the output of a process. */
export interface FollowOptions {
  /** `start`, the default, begins with all output that is kept; `now` gives only new output. */
  readonly from?: "start" | "now" | undefined
}

/** Options of killing a process. */
export interface KillOptions {
  /**
   * How long the process may take to end after SIGTERM, before SIGKILL: 5 seconds by default, at most a
   * minute, 0 for no time.
   */
  readonly grace?: Duration.Input | undefined
}

/** Errors of using a background process. */
export type ProcessError = AttachError | LeaseError | InvalidInput

/** A process that outlives the command that started it, with all that it starts. */
export interface BackgroundProcess {
  /** Its name within the sandbox. */
  readonly name: string
  /** The process as the sandbox knows it now. */
  readonly inspect: Effect.Effect<ProcessInfo, ProcessError>
  /**
   * The last part of its output so far. The sandbox keeps the last 1 MiB of both outputs together.
   *
   * @example
   * const server = yield* sandbox.processes.get("server")
   * const { stderr } = yield* server.logs({ tail: 10_000 })
   */
  readonly logs: (options?: LogOptions) => Effect.Effect<ProcessLogs, ProcessError>
  /**
   * Its output as it comes, then its exit. `Lost` counts output that was dropped before it was read. Ending
   * the stream early does not end the process.
   *
   * @example
   * const server = yield* sandbox.processes.get("server")
   * yield* server.follow({ from: "now" }).pipe(Stream.runForEach((event) => Console.log(event._tag)))
   */
  readonly follow: (options?: FollowOptions) => Stream.Stream<ProcessEvent, ProcessError>
  /** Waits for its end. @returns its exit code */
  readonly wait: Effect.Effect<number, ProcessError>
  /**
   * Writes to its standard input, and returns once the process, or the pipe to it, has taken all. Text
   * is written as UTF-8. Fails with `ProcessInputClosed` where the input is closed.
   *
   * @example
   * const python = yield* sandbox.processes.start(["python3", "-i"], { stdin: true })
   * yield* python.write("print(6 * 7)\n")
   */
  readonly write: (
    data: string | Uint8Array,
  ) => Effect.Effect<void, ProcessError | ProcessInputClosed>
  /** Closes its standard input; no effect where it is closed. */
  readonly closeStdin: Effect.Effect<void, ProcessError>
  /**
   * Sends a signal to it and to those of its children that stayed in its process group.
   *
   * @example
   * const nginx = yield* sandbox.processes.get("nginx")
   * yield* nginx.signal("SIGHUP")
   */
  readonly signal: (signal: Signal) => Effect.Effect<void, ProcessError>
  /**
   * Ends it and all that it started, and returns once nothing of it is left: SIGTERM to its process group,
   * then SIGKILL for what is left after the grace. Its logs and its exit code are kept.
   *
   * @example
   * const server = yield* sandbox.processes.get("server")
   * yield* server.kill({ grace: "10 seconds" })
   */
  readonly kill: (options?: KillOptions) => Effect.Effect<void, ProcessError>
  /** Kills it and removes its logs. */
  readonly remove: Effect.Effect<void, ProcessError>
}

/**
 * Background processes. They belong to the sandbox: any program that finds the sandbox finds them, with
 * their output and exit codes. A stop of the sandbox ends them and drops their output. They are no use of
 * the sandbox: its lease runs on.
 */
export interface Processes {
  /**
   * Starts a command that goes on when this program ends. If a process with this name has ended, the new
   * one takes its place: the old logs are dropped, and what the old process left running is killed. A
   * sandbox keeps 128 processes; beyond that, the oldest that has ended is dropped.
   *
   * @example
   * const server = yield* sandbox.processes.start("npm run dev", { name: "server", env: { PORT: "3000" } })
   * yield* sandbox.ports.wait(3000)
   */
  readonly start: (
    command: ExecRequest["command"],
    options?: StartOptions,
  ) => Effect.Effect<
    BackgroundProcess,
    ProcessError | ExecError | ProcessNameTaken | ProcessNotStarted
  >
  /**
   * Finds a process by its name, whether it runs or has ended. Fails with `ProcessNotFound`.
   *
   * @example
   * const server = yield* sandbox.processes.get("server")
   * const { status } = yield* server.inspect
   */
  readonly get: (name: string) => Effect.Effect<BackgroundProcess, ProcessError>
  /** Oldest first, the ended ones too. */
  readonly list: Effect.Effect<ReadonlyArray<ProcessInfo>, ProcessError>
}
