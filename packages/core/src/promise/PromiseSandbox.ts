import type { Duplex } from "node:stream"
import type { Duration } from "effect"
import type { EgressRules } from "../egress/EgressRules.ts"
import type {
  ListOptions,
  RemoveOptions,
  SearchOptions,
  SearchResult,
} from "../sandbox/files/folders.ts"
import type { ReadOptions, WriteOptions } from "../sandbox/files/SandboxFiles.ts"
import type { WatchOptions } from "../sandbox/files/watch.ts"
import type { ClonedRepository, CloneOptions } from "../sandbox/git/Git.ts"
import type { ExposedPort, ExposeOptions, WaitOptions } from "../sandbox/ports/Ports.ts"
import type { ReverseOptions } from "../sandbox/ports/reversePorts.ts"
import type {
  FollowOptions,
  KillOptions,
  LogOptions,
  ProcessLogs,
  StartOptions,
} from "../sandbox/processes/Processes.ts"
import type { ShellOptions, ShellResult } from "../sandbox/shell/SandboxShell.ts"
import type { ForkOptions } from "../sandbox/snapshots/snapshots.ts"
import type { WatchStatsOptions } from "../sandbox/stats.ts"
import type { TerminalOptions } from "../sandbox/terminal.ts"
import type { TransferReport } from "../transfer/progress.ts"
import type { EgressAttempt } from "../values/Egress.ts"
import type { ExecEvent, ExecRequest, ExecResult, TerminalSize } from "../values/Exec.ts"
import type { FileEntry, FileEvent, FileStat } from "../values/Files.ts"
import type { ProcessEvent, ProcessInfo, Signal } from "../values/Process.ts"
import type { SandboxInfo, SnapshotInfo } from "../values/Sandbox.ts"
import type { SandboxStats } from "../values/Stats.ts"

import type {
  Abortable,
  Content,
  PromiseExecOptions,
  PromiseExecStreamOptions,
  PromiseShellExecOptions,
  TransferOptions,
} from "./options.ts"

/**
 * The files of a sandbox. Relative paths start at its working directory; `~` and `~/x` are in the home
 * folder of its user, as they are to its shell, and `./~` is a file that is called `~`.
 */
export interface PromiseSandboxFiles {
  /** The absolute path that a path stands for, whether something is there or not. */
  readonly resolve: (path: string, options?: Abortable) => Promise<string>
  /** Reads a file whole, or a part of it; rejects with `FileTooLarge` beyond the `fileLimit`. */
  readonly read: (path: string, options?: ReadOptions & Abortable) => Promise<Uint8Array>
  /**
   * As `read`, decoded as UTF-8: all of it, a byte order mark too, so that what is read and written
   * back is the same file. What is not UTF-8 rejects with `NotText`.
   */
  readonly readText: (path: string, options?: Abortable) => Promise<string>
  /** A file of any size, in pieces. */
  readonly stream: (path: string, options?: ReadOptions & Abortable) => AsyncIterable<Uint8Array>
  /** Writes a file whole or not at all; parent folders are made. Text is written as UTF-8. */
  readonly write: (
    path: string,
    content: Content,
    options?: WriteOptions & Abortable,
  ) => Promise<void>
  readonly stat: (path: string, options?: Abortable) => Promise<FileStat>
  readonly exists: (path: string, options?: Abortable) => Promise<boolean>
  /** The entries of a folder (the working directory by default), ordered by path. */
  readonly list: (
    path?: string,
    options?: ListOptions & Abortable,
  ) => Promise<ReadonlyArray<FileEntry>>
  /** Makes a folder and those above it; no effect where it is there. */
  readonly makeDirectory: (path: string, options?: Abortable) => Promise<void>
  /** Renames a file or folder; a file in its new place is replaced, a folder is not. */
  readonly move: (from: string, to: string, options?: Abortable) => Promise<void>
  /** Removes a file, a symlink (not what it leads to) or a folder. */
  readonly remove: (path: string, options?: RemoveOptions & Abortable) => Promise<void>
  /** Finds lines that hold the pattern in text files; symlinks are not followed. */
  readonly search: (pattern: string, options?: SearchOptions & Abortable) => Promise<SearchResult>
  /**
   * What is created, changed and removed in a folder (the working directory by default), once
   * `Ready` has come. What comes and goes within an interval (100 milliseconds by default) is not told.
   * It ends when the sandbox is stopped or removed, or the loop is left; the signal rejects it. It is
   * a use of the sandbox for as long as it runs, as any command is.
   */
  readonly watch: (path?: string, options?: WatchOptions & Abortable) => AsyncIterable<FileEvent>
  /** Copies a file or folder from session storage into the sandbox. */
  readonly upload: (from: string, to: string, options?: TransferOptions) => Promise<TransferReport>
  /** Copies a file or folder from the sandbox into session storage. */
  readonly download: (
    from: string,
    to: string,
    options?: TransferOptions,
  ) => Promise<TransferReport>
}

/** Git in a sandbox, with the git of its image. */
export interface PromiseGit {
  /**
   * Clones a repository over HTTPS (or HTTP), as the sandbox's user. It is there whole or not at all.
   * Credentials may also stand in the URL, and do not stay in it.
   */
  readonly clone: (url: string, options?: CloneOptions & Abortable) => Promise<ClonedRepository>
}

/** A process that outlives the command that started it, with all that it starts. */
export interface PromiseProcess {
  readonly name: string
  readonly inspect: (options?: Abortable) => Promise<ProcessInfo>
  /** The ends of what it wrote so far. Of both outputs together the last 1 MiB is kept. */
  readonly logs: (options?: LogOptions & Abortable) => Promise<ProcessLogs>
  /**
   * What it writes as it comes, then its exit. Output that is no longer kept when it is read is counted
   * by `Lost`. Leaving the loop leaves the process alone.
   */
  readonly follow: (options?: FollowOptions & Abortable) => AsyncIterable<ProcessEvent>
  /** Waits for its end. @returns its exit code */
  readonly wait: (options?: Abortable) => Promise<number>
  /**
   * Writes to its standard input; resolves once the process, or the pipe to it, has taken all. Text is
   * written as UTF-8. Rejects with `ProcessInputClosed` where it takes none.
   */
  readonly write: (data: string | Uint8Array, options?: Abortable) => Promise<void>
  /** Closes its standard input; no effect where it is closed. */
  readonly closeStdin: (options?: Abortable) => Promise<void>
  /** Sends a signal to it and to those of its children that stayed in its process group. */
  readonly signal: (signal: Signal, options?: Abortable) => Promise<void>
  /**
   * Ends it and all that it started, and resolves once nothing of it is left: SIGTERM to its process
   * group, and SIGKILL for what is left after the grace. Its logs and its exit code stay.
   */
  readonly kill: (options?: KillOptions & Abortable) => Promise<void>
  /** Kills it and removes its logs. */
  readonly remove: (options?: Abortable) => Promise<void>
}

/**
 * Background processes. They belong to the sandbox: any program that finds the sandbox finds them, with
 * what they wrote and how they ended. A stop of the sandbox ends them, and nothing of them is left then.
 * They do not count as use of the sandbox.
 */
export interface PromiseProcesses {
  /**
   * Starts a command that goes on when this program ends. The name of one that has ended is free again:
   * its logs make room for the new one, and what it left running is killed. A sandbox keeps 128; where
   * more are started, the oldest that has ended is forgotten.
   */
  readonly start: (
    command: ExecRequest["command"],
    options?: StartOptions & Abortable,
  ) => Promise<PromiseProcess>
  readonly get: (name: string, options?: Abortable) => Promise<PromiseProcess>
  /** Oldest first, the ended ones too. */
  readonly list: (options?: Abortable) => Promise<ReadonlyArray<ProcessInfo>>
}

/** A port of a sandbox that this machine can connect to. `await using` closes it. */
export interface PromiseExposedPort extends ExposedPort, AsyncDisposable {
  /** Ends its connections and listens no longer. */
  readonly close: () => Promise<void>
}

/** A port inside that leads to a program outside. `await using` closes it at the end of the block. */
export interface PromiseReversedPort extends AsyncDisposable {
  /** Listens no longer, and ends the connections. */
  readonly close: () => Promise<void>
}

/** The TCP ports of a sandbox, whatever its network: also with none. */
export interface PromisePorts {
  /** Those that something listens on, in order. */
  readonly list: (options?: Abortable) => Promise<ReadonlyArray<number>>
  /** Waits until something listens on the port. */
  readonly wait: (port: number, options?: WaitOptions & Abortable) => Promise<void>
  /**
   * Listens on 127.0.0.1 and passes each connection's bytes on to the loopback interface of the
   * sandbox: HTTP, WebSocket, whatever is spoken there. Every program of this machine can connect.
   */
  readonly expose: (
    port: number,
    options?: ExposeOptions & Abortable,
  ) => Promise<PromiseExposedPort>
  /**
   * Connects to a port of the sandbox's loopback interface. The stream is as `net` gives one: each side ends by itself, and
   * `destroy` lets go. It is a use of the sandbox until it is closed, however silent it is; the signal ends the connecting only. Rejects with
   * `PortUnreachable` where nothing listens.
   *
   * @example
   * const stream = await sandbox.ports.connect(5432)
   * stream.write("hello\n")
   */
  readonly connect: (port: number, options?: Abortable) => Promise<Duplex>
  /**
   * The other way round: listens on 127.0.0.1 inside and passes each connection's bytes on to a program that this
   * machine reaches (`host`, by default this machine's own 127.0.0.1), whatever the network of the sandbox. What connects is
   * no use of the sandbox: its lease runs on. It goes on when the sandbox is started again after a stop. Rejects with
   * `PortUnavailable` where the port is taken inside.
   *
   * @example
   * // Programs inside reach this machine's PostgreSQL, and nothing else.
   * await using database = await sandbox.ports.reverse(5432, { localPort: 5432 })
   */
  readonly reverse: (
    port: number,
    options: ReverseOptions & Abortable,
  ) => Promise<PromiseReversedPort>
  /**
   * As `reverse`, with each connection handed to this program as a stream, for a server of Node's own:
   * `http.Server` takes it by `server.emit("connection", stream)`. Up to 64 are open at a time.
   *
   * @example
   * const server = http.createServer((_, response) => response.end("hello"))
   * await using port = await sandbox.ports.serve(8080, (stream) => void server.emit("connection", stream))
   */
  readonly serve: (
    port: number,
    handle: (stream: Duplex) => void,
    options?: Abortable,
  ) => Promise<PromiseReversedPort>
}

/** A command on a terminal of its own. `await using` ends it at the end of the block. */
export interface PromiseTerminal extends AsyncDisposable {
  /** What the terminal shows, control sequences and all; ends with the command. */
  readonly output: AsyncIterable<Uint8Array>
  /** Types: `"ls\n"`, or `"\x03"` for control-C. */
  readonly write: (data: string | Uint8Array) => Promise<void>
  readonly resize: (size: TerminalSize) => Promise<void>
  /** Waits for the command's end. @returns its exit code */
  readonly wait: (options?: Abortable) => Promise<number>
  /** Kills the command and all that it started. */
  readonly close: () => Promise<void>
}

/**
 * A shell that keeps its folder, variables, functions, aliases, options and `umask` between commands.
 * Each command is a process of its own: its output, exit code and end are its own too, and what it
 * leaves running in the background is no job of the next. `await using` closes it.
 */
export interface PromiseShell extends AsyncDisposable {
  /**
   * Runs a script, one at a time, whatever its exit code; `exit` ends the script and not the shell. A
   * script that times out, or whose signal is aborted, is killed with all that it started, and the shell is
   * as it was before it.
   *
   * @example
   * await using shell = await sandbox.shell()
   * await shell.exec("cd packages/core && export CI=1")
   * const { stdout } = await shell.exec('echo "$PWD $CI"') // /workspace/packages/core 1
   */
  readonly exec: (script: string, options?: PromiseShellExecOptions) => Promise<ShellResult>
  /** Kills the command that runs, and removes the files with the shell's state. */
  readonly close: () => Promise<void>
}

/** The way out of a sandbox. */
export interface PromiseEgress {
  /**
   * The rules that hold now; absent where this program is not the way out: the sandbox has none, or one that leads anywhere,
   * or a list of destinations.
   */
  readonly rules: EgressRules | undefined
  /**
   * Has other rules decide from now on: new connections at once, and what is under way and not allowed any more is ended.
   * Opens a way out where a sandbox had none. Rejects with `NotAllowed` beyond the settings' ceiling, and with `InvalidInput`
   * for a sandbox whose network leads out by itself.
   *
   * @example
   * await sandbox.egress.update({ allow: { "api.example.com": { methods: ["GET"] } } })
   */
  readonly update: (rules: EgressRules, options?: Abortable) => Promise<void>
  /** Where it tried to go, oldest first: with rules the last 1,000 attempts of this program's time. */
  readonly attempts: (options?: Abortable) => Promise<ReadonlyArray<EgressAttempt>>
  /**
   * Where it tries to go from now on, under rules, until the loop is left. A consumer that is 1,000 attempts behind misses
   * some.
   *
   * @example
   * for await (const { host, outcome } of sandbox.egress.watch()) console.log(host, outcome)
   */
  readonly watch: (options?: Abortable) => AsyncIterable<EgressAttempt>
}

/** A sandbox. `await using` removes it at the end of the block. */
export interface PromiseSandbox extends AsyncDisposable {
  /** What its host calls it: derived from the session and the name. */
  readonly id: string
  /** Its name within the session. */
  readonly name: string
  /** As it was when this handle was made; `inspect` asks again. */
  readonly info: SandboxInfo
  /** Asks its host for its present state, image, limits and lease. */
  readonly inspect: (options?: Abortable) => Promise<SandboxInfo>
  /**
   * Runs a command to its end, whatever its exit code. A string is a script for bash, or for sh where
   * the image has no bash; an array is a program with its exact arguments.
   */
  readonly exec: (
    command: ExecRequest["command"],
    options?: PromiseExecOptions,
  ) => Promise<ExecResult>
  /** As `exec`, but rejects unless the command ends with exit code 0. */
  readonly run: (
    command: ExecRequest["command"],
    options?: PromiseExecOptions,
  ) => Promise<ExecResult>
  /** Output as it comes, uncut; leaving the loop kills the command, and so does the signal. */
  readonly execStream: (
    command: ExecRequest["command"],
    options?: PromiseExecStreamOptions,
  ) => AsyncIterable<ExecEvent>
  /**
   * Opens a shell that keeps its folder, variables and functions between commands. Each command has its
   * own output, exit code and timeout; one that is killed leaves the shell as it was before it.
   *
   * It is the image's bash, else its sh, which keeps no functions, aliases and arrays.
   */
  readonly shell: (options?: ShellOptions & Abortable) => Promise<PromiseShell>
  /** Reads, writes, lists, watches and transfers its files. */
  readonly files: PromiseSandboxFiles
  /** Clones repositories into it. */
  readonly git: PromiseGit
  /** Starts and finds its background processes. */
  readonly processes: PromiseProcesses
  /** Finds its ports, and leads them to this machine or a port of this machine into it. */
  readonly ports: PromisePorts
  /**
   * Opens a terminal, where the driver has `terminals`. Its output must be read to hold the lease.
   * The signal closes it, also when it is open: `output` then rejects with the signal's reason.
   */
  readonly terminal: (options?: TerminalOptions & Abortable) => Promise<PromiseTerminal>
  /**
   * Keeps its files as a snapshot of the session, which `create` can make sandboxes from, any number
   * of times. It outlives the sandbox and this program: remove it when it is no longer needed.
   */
  readonly snapshot: (name?: string, options?: Abortable) => Promise<SnapshotInfo>
  /**
   * Makes another sandbox of the session with the same files, environment, limits, runtime, network,
   * allow-list and secrets; where the driver has `snapshots`. Processes and what they hold in memory are not
   * part of it. What is made on the way goes with the new sandbox, or at once where that fails.
   *
   * @example
   * await using attempt = await sandbox.fork({ name: "attempt-1" })
   * await attempt.run("npm test")
   */
  readonly fork: (options?: ForkOptions & Abortable) => Promise<PromiseSandbox>
  /** Freezes it with all its processes and their memory; the lease runs on. */
  readonly pause: (options?: Abortable) => Promise<void>
  /** Lets it go on after a pause. */
  readonly resume: (options?: Abortable) => Promise<void>
  /** Where it may go, and where it tried to. */
  readonly egress: PromiseEgress
  /**
   * What it uses now: CPU time, memory, processes, disks and network. It has to run. Reading does not
   * count as use of the sandbox.
   */
  readonly stats: (options?: Abortable) => Promise<SandboxStats>
  /**
   * `stats` from now on, again and again; it ends when the sandbox is stopped, paused or removed, or the
   * loop is left.
   */
  readonly watchStats: (options?: WatchStatsOptions & Abortable) => AsyncIterable<SandboxStats>
  /**
   * Lets the sandbox count as used for so long from now on (milliseconds, or such as `"1 hour"`), though nobody
   * uses it: `idleTimeout` and `removeTimeout` begin after that. The latest end of what was asked for holds; it
   * is never shortened. All programs with one lease store keep to it; a store in memory keeps it for its own
   * program. It starts nothing. Rejects with `InvalidInput` beyond `extensionLimit` of the settings: 1 hour.
   */
  readonly extend: (duration: Duration.Input, options?: Abortable) => Promise<void>
  /** Starts one that was stopped; its files are as they were. */
  readonly start: (options?: Abortable) => Promise<void>
  /** Ends all its processes and keeps its files, until `start`. */
  readonly stop: (options?: Abortable) => Promise<void>
  /** Removes it at once, with its files and its network. */
  readonly remove: (options?: Abortable) => Promise<void>
}
