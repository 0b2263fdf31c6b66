import type { Duration } from "effect"
import type { ShellOptions } from "../sandbox/shell/SandboxShell.ts"
import type { ForkOptions } from "../sandbox/snapshots/snapshots.ts"
import type { WatchStatsOptions } from "../sandbox/stats.ts"
import type { TerminalOptions } from "../sandbox/terminal.ts"
import type { ExecEvent, ExecRequest, ExecResult } from "../values/Exec.ts"
import type { SandboxInfo, SnapshotInfo } from "../values/Sandbox.ts"
import type { SandboxStats } from "../values/Stats.ts"
import type { PromiseEgress } from "./egress.ts"
import type { PromiseSandboxFiles } from "./files.ts"
import type { PromiseGit } from "./git.ts"
import type { Abortable, PromiseExecOptions, PromiseExecStreamOptions } from "./options.ts"
import type { PromisePorts } from "./ports.ts"
import type { PromiseProcesses } from "./processes.ts"
import type { PromiseShell } from "./shell.ts"
import type { PromiseTerminal } from "./terminal.ts"

/** A sandbox. `await using` removes it at the end of the block. */
export interface PromiseSandbox extends AsyncDisposable {
  /** What its host calls it: derived from the session and the name. */
  readonly id: string
  /** Its name within the session. */
  readonly name: string
  /** As it was when this handle was made; `inspect` asks again. */
  readonly info: SandboxInfo
  /**
   * Asks its host for its present state, image, limits and lease.
   *
   * @example
   * const { status, limits } = await sandbox.inspect()
   */
  readonly inspect: (options?: Abortable) => Promise<SandboxInfo>
  /**
   * Runs a command to its end, whatever its exit code. A string is a script for bash, or for sh where
   * the image has no bash; an array is a program with its exact arguments.
   *
   * @example
   * const { exitCode, stdout } = await sandbox.exec("npm test 2>&1 | tail -20", { timeout: "5 minutes" })
   * if (exitCode !== 0) console.log(stdout)
   */
  readonly exec: (
    command: ExecRequest["command"],
    options?: PromiseExecOptions,
  ) => Promise<ExecResult>
  /**
   * As `exec`, but rejects unless the command ends with exit code 0.
   *
   * @example
   * await sandbox.run("pip install numpy")
   * const { stdout } = await sandbox.run(["python3", "main.py"], { env: { SEED: "1" } })
   */
  readonly run: (
    command: ExecRequest["command"],
    options?: PromiseExecOptions,
  ) => Promise<ExecResult>
  /**
   * Output as it comes, uncut; leaving the loop kills the command, and so does the signal.
   *
   * @example
   * for await (const event of sandbox.execStream("npm run build")) {
   *   if (event._tag === "Exit") console.log("exit code", event.exitCode)
   *   else process.stdout.write(event.bytes)
   * }
   */
  readonly execStream: (
    command: ExecRequest["command"],
    options?: PromiseExecStreamOptions,
  ) => AsyncIterable<ExecEvent>
  /**
   * Opens a shell that keeps its folder, variables and functions between commands. Each command has its
   * own output, exit code and timeout; one that is killed leaves the shell as it was before it.
   *
   * It is the image's bash, else its sh, which keeps no functions, aliases and arrays.
   *
   * @example
   * await using shell = await sandbox.shell({ env: { MODE: "test" } })
   * await shell.exec("cd app")
   * const { stdout } = await shell.exec("echo $PWD $MODE") // /workspace/app test
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
   *
   * @example
   * await using terminal = await sandbox.terminal({ size: { columns: 120, rows: 40 } })
   * await terminal.write("vim notes.txt\n")
   * for await (const bytes of terminal.output) process.stdout.write(bytes)
   */
  readonly terminal: (options?: TerminalOptions & Abortable) => Promise<PromiseTerminal>
  /**
   * Keeps its files as a snapshot of the session, which `create` can make sandboxes from, any number
   * of times. It outlives the sandbox and this program: remove it when it is no longer needed.
   *
   * @example
   * const { name } = await sandbox.snapshot("installed")
   * await using copy = await sandboxes.create({ snapshot: name })
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
  /**
   * Freezes it with all its processes and their memory; the lease runs on.
   *
   * @example
   * await sandbox.pause()
   * await sandbox.resume()
   */
  readonly pause: (options?: Abortable) => Promise<void>
  /**
   * Lets it go on after a pause.
   *
   * @example
   * const { status } = await sandbox.inspect()
   * if (status === "paused") await sandbox.resume()
   */
  readonly resume: (options?: Abortable) => Promise<void>
  /** Where it may go, and where it tried to. */
  readonly egress: PromiseEgress
  /**
   * What it uses now: CPU time, memory, processes, disks and network. It has to run. Reading does not
   * count as use of the sandbox.
   *
   * @example
   * const { memory = 0, pids = 0 } = await sandbox.stats()
   * console.log(`${Math.round(memory / 2 ** 20)} MiB, ${pids} processes`)
   */
  readonly stats: (options?: Abortable) => Promise<SandboxStats>
  /**
   * `stats` from now on, again and again; it ends when the sandbox is stopped, paused or removed, or the
   * loop is left.
   *
   * @example
   * for await (const { memory } of sandbox.watchStats({ every: "5 seconds" })) console.log(memory)
   */
  readonly watchStats: (options?: WatchStatsOptions & Abortable) => AsyncIterable<SandboxStats>
  /**
   * Lets the sandbox count as used for so long from now on (milliseconds, or such as `"1 hour"`), though nobody
   * uses it: `idleTimeout` and `removeTimeout` begin after that. The latest end of what was asked for holds; it
   * is never shortened. All programs with one lease store keep to it; a store in memory keeps it for its own
   * program. It starts nothing. Rejects with `InvalidInput` beyond `extensionLimit` of the settings: 1 hour.
   *
   * @example
   * await sandbox.extend("30 minutes")
   */
  readonly extend: (duration: Duration.Input, options?: Abortable) => Promise<void>
  /**
   * Starts one that was stopped; its files are as they were.
   *
   * @example
   * await sandbox.start()
   * const { stdout } = await sandbox.run("cat state.json")
   */
  readonly start: (options?: Abortable) => Promise<void>
  /**
   * Ends all its processes and keeps its files, until `start`.
   *
   * @example
   * await sandbox.run("echo '{}' > state.json")
   * await sandbox.stop()
   */
  readonly stop: (options?: Abortable) => Promise<void>
  /**
   * Removes it at once, with its files and its network.
   *
   * @example
   * const sandbox = await sandboxes.get("web")
   * await sandbox.remove()
   */
  readonly remove: (options?: Abortable) => Promise<void>
}
