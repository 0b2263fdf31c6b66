import type { Duration, Effect, Scope, Stream } from "effect"
import type { SetError } from "../egress/waysOut.ts"
import type {
  Closed,
  CommandFailed,
  CreateError,
  ExecError,
  ExecTimedOut,
  HostError,
  InvalidInput,
  LeaseError,
  OutOfMemory,
  SandboxNotFound,
  SnapshotNameTaken,
  SnapshotNotFound,
  Unsupported,
} from "../errors.ts"
import type { ExecEvent, ExecRequest, ExecResult } from "../values/Exec.ts"
import type { SandboxInfo, SnapshotInfo } from "../values/Sandbox.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import type { SandboxName } from "../values/SandboxName.ts"
import type { SandboxStats } from "../values/Stats.ts"
import type { SandboxEgress } from "./egress.ts"
import type { ExecOptions } from "./exec/ExecOptions.ts"
import type { SandboxFiles } from "./files/SandboxFiles.ts"
import type { Git } from "./git/Git.ts"
import type { Ports } from "./ports/Ports.ts"
import type { Processes } from "./processes/Processes.ts"
import type { SandboxShell, ShellError, ShellOptions } from "./shell/SandboxShell.ts"
import type { ForkOptions } from "./snapshots/snapshots.ts"
import type { StatsError, WatchStatsOptions } from "./stats.ts"
import type { SandboxTerminal, TerminalError, TerminalOptions } from "./terminal.ts"

/**
 * A sandbox of a session. Each use renews its lease: without one, it is stopped after
 * `Settings.idleTimeout` (10 minutes by default) and removed after `Settings.removeTimeout` (20 minutes).
 */
export interface Sandbox {
  /** Names the sandbox on its host, among those of all sessions. */
  readonly id: SandboxId
  /** Names the sandbox in its session. */
  readonly name: SandboxName
  /** The sandbox as it was when this handle was made; `inspect` asks again. */
  readonly info: SandboxInfo
  /**
   * Asks the host for the sandbox's state. It is no use of the sandbox.
   *
   * @example
   * const { status, limits } = yield* sandbox.inspect
   */
  readonly inspect: Effect.Effect<SandboxInfo, SandboxNotFound | HostError | Closed>
  /**
   * Runs a command to its end, and succeeds whatever its exit code. A string is a script for bash, or for
   * sh where the image has no bash; an array is a program with its exact arguments.
   *
   * @example
   * ```ts
   * const { stdout, exitCode } = yield* sandbox.exec("ls | wc -l")
   * yield* sandbox.exec(["python3", "main.py"], { timeout: "30 seconds" })
   * ```
   */
  readonly exec: (
    command: ExecRequest["command"],
    options?: ExecOptions,
  ) => Effect.Effect<ExecResult, ExecError | LeaseError>
  /**
   * As `exec`, but fails with `CommandFailed` unless the exit code is 0, with `ExecTimedOut` after the
   * command's timeout, and with `OutOfMemory` where the sandbox's memory limit was reached.
   *
   * @example
   * ```ts
   * yield* sandbox.run("npm ci && npm test")
   * ```
   */
  readonly run: (
    command: ExecRequest["command"],
    options?: ExecOptions,
  ) => Effect.Effect<
    ExecResult,
    ExecError | LeaseError | CommandFailed | ExecTimedOut | OutOfMemory
  >
  /**
   * Streams a command's output as it comes, uncut, and then its exit. Ending the stream early kills the
   * command.
   *
   * @example
   * yield* sandbox.execStream("npm run build").pipe(
   *   Stream.runForEach((event) =>
   *     event._tag === "Exit" ? Console.log(event.exitCode) : Effect.sync(() => process.stdout.write(event.bytes)),
   *   ),
   * )
   */
  readonly execStream: (
    command: ExecRequest["command"],
    options?: ExecOptions,
  ) => Stream.Stream<ExecEvent, ExecError | LeaseError>
  /**
   * Opens a shell that keeps its folder, variables and functions between commands, until the scope
   * closes. Each command has its own output, exit code and timeout. A command that is killed leaves the
   * shell as it was before the command.
   *
   * The shell is the image's bash, else its sh, which keeps no functions, aliases and arrays.
   *
   * @example
   * ```ts
   * const shell = yield* sandbox.shell()
   * yield* shell.exec("cd /srv && export MODE=test")
   * yield* shell.exec("echo $PWD $MODE") // /srv test
   * ```
   */
  readonly shell: (options?: ShellOptions) => Effect.Effect<SandboxShell, ShellError, Scope.Scope>
  /** Reads, writes, lists, searches, watches and copies files. */
  readonly files: SandboxFiles
  /** Clones repositories. */
  readonly git: Git
  /** Starts and finds processes that outlive the call that started them. */
  readonly processes: Processes
  /** Connects to TCP ports inside, and from inside to this machine. */
  readonly ports: Ports
  /**
   * Opens a terminal that runs a shell or another command, until the scope closes. It is a use of the
   * sandbox for as long as its output is read. Fails with `Unsupported` where the driver has no terminals.
   *
   * @example
   * const terminal = yield* sandbox.terminal({ size: { columns: 120, rows: 40 } })
   * yield* terminal.write("vim notes.txt\n")
   * yield* Stream.runForEach(terminal.output, (bytes) => Effect.sync(() => process.stdout.write(bytes)))
   */
  readonly terminal: (
    options?: TerminalOptions,
  ) => Effect.Effect<SandboxTerminal, TerminalError | Unsupported, Scope.Scope>
  /**
   * Keeps the sandbox's files as a snapshot of the session. `create` can make any number of sandboxes from
   * it. A snapshot outlives the sandbox and this program: remove it when you no longer need it.
   *
   * @param name lower-case letters, digits and hyphens; random by default
   * @example
   * ```ts
   * const { name } = yield* sandbox.snapshot("installed")
   * const other = yield* session.create({ snapshot: name })
   * ```
   */
  readonly snapshot: (
    name?: string,
  ) => Effect.Effect<SnapshotInfo, LeaseError | InvalidInput | SnapshotNameTaken | Unsupported>
  /**
   * Makes another sandbox of the session with the same files, environment, limits, runtime, network,
   * allow-list and secrets. Processes and their memory are not copied. Fails with `Unsupported` where
   * the driver has no snapshots.
   *
   * @example
   * ```ts
   * const attempt = yield* sandbox.fork({ name: "attempt-2" })
   * ```
   */
  readonly fork: (
    options?: ForkOptions,
  ) => Effect.Effect<
    Sandbox,
    CreateError | InvalidInput | LeaseError | SnapshotNameTaken | SnapshotNotFound | SetError
  >
  /**
   * Freezes all processes with their memory. The lease runs on.
   *
   * @example
   * yield* sandbox.pause
   * yield* sandbox.resume
   */
  readonly pause: Effect.Effect<void, LeaseError | Unsupported>
  /** Lets a paused sandbox go on. */
  readonly resume: Effect.Effect<void, LeaseError | Unsupported>
  /** Where the sandbox may go, and where it tried to. */
  readonly egress: SandboxEgress
  /**
   * Reads what the sandbox uses now: CPU time, memory, processes, disks and network. The sandbox has to
   * run. Reading is no use of it.
   *
   * @example
   * const { memory = 0, pids = 0 } = yield* sandbox.stats
   * yield* Console.log(`${Math.round(memory / 2 ** 20)} MiB, ${pids} processes`)
   */
  readonly stats: Effect.Effect<SandboxStats, StatsError>
  /**
   * Reads `stats` again and again, each second by default. The stream ends when the sandbox is stopped,
   * paused or removed.
   *
   * @example
   * yield* sandbox
   *   .watchStats({ every: "5 seconds" })
   *   .pipe(Stream.runForEach(({ memory }) => Console.log(memory)))
   */
  readonly watchStats: (
    options?: WatchStatsOptions,
  ) => Stream.Stream<SandboxStats, StatsError | InvalidInput>
  /**
   * Lets the sandbox count as used for a time from now on, though nobody uses it. `idleTimeout` and
   * `removeTimeout` begin after that. Of several calls the latest end holds. All programs with one lease
   * store keep to it; a store in memory keeps it for its own program. A stopped sandbox is not started.
   * Fails with `InvalidInput` beyond `Settings.extensionLimit`, 1 hour by default.
   *
   * @example
   * yield* sandbox.extend("30 minutes")
   */
  readonly extend: (duration: Duration.Input) => Effect.Effect<void, LeaseError | InvalidInput>
  /** Starts a sandbox that `stop` stopped. No effect on a running one. */
  readonly start: Effect.Effect<void, LeaseError>
  /**
   * Stops the sandbox and keeps its files; only `start` starts it again.
   *
   * @example
   * yield* sandbox.stop
   * yield* sandbox.start
   */
  readonly stop: Effect.Effect<void, LeaseError>
  /**
   * Removes the sandbox with its files and its network.
   *
   * @example
   * const sandbox = yield* session.get("web")
   * yield* sandbox.remove
   */
  readonly remove: Effect.Effect<void, LeaseError>
}
