import { Effect } from "effect"
import type {
  BackgroundProcess,
  FollowOptions,
  KillOptions,
  LogOptions,
  Processes,
  ProcessLogs,
  StartOptions,
} from "../sandbox/processes/Processes.ts"
import type { ExecRequest } from "../values/Exec.ts"
import type { ProcessEvent, ProcessInfo, Signal } from "../values/Process.ts"
import { call, callStream } from "./call.ts"
import type { Abortable } from "./options.ts"
import type { PromiseRuntime } from "./runtime.ts"

/** A process that outlives the command that started it, with all that it starts. */
export interface PromiseProcess {
  /** Its name within the sandbox. */
  readonly name: string
  /** The process as the sandbox knows it now. */
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
  /** Finds a process by its name, whether it runs or has ended. Rejects with `ProcessNotFound`. */
  readonly get: (name: string, options?: Abortable) => Promise<PromiseProcess>
  /** Oldest first, the ended ones too. */
  readonly list: (options?: Abortable) => Promise<ReadonlyArray<ProcessInfo>>
}

const processOf = (runtime: PromiseRuntime, process: BackgroundProcess): PromiseProcess => ({
  name: process.name,
  inspect: (options) =>
    call(runtime, ["nothing", "process.inspect"], { options }, () => process.inspect),
  logs: (options) =>
    call(runtime, ["logs", "process.logs"], { options }, () => process.logs(options)),
  follow: (options) =>
    callStream(runtime, ["follow", "process.follow"], { options }, () => process.follow(options)),
  wait: (options) => call(runtime, ["nothing", "process.wait"], { options }, () => process.wait),
  write: (data, options) =>
    call(runtime, ["input", "process.write"], { data, options }, () => process.write(data)),
  closeStdin: (options) =>
    call(runtime, ["nothing", "process.closeStdin"], { options }, () => process.closeStdin),
  signal: (signal, options) =>
    call(runtime, ["signal", "process.signal"], { signal, options }, () => process.signal(signal)),
  kill: (options) =>
    call(runtime, ["kill", "process.kill"], { options }, () => process.kill(options)),
  remove: (options) =>
    call(runtime, ["nothing", "process.remove"], { options }, () => process.remove),
})

/** Background processes of a sandbox. */
export const processesOf = (runtime: PromiseRuntime, processes: Processes): PromiseProcesses => ({
  start: (command, options) =>
    call(runtime, ["start", "processes.start"], { command, options }, () =>
      Effect.map(processes.start(command, options), (process) => processOf(runtime, process)),
    ),
  get: (name, options) =>
    call(runtime, ["named", "processes.get"], { name, options }, () =>
      Effect.map(processes.get(name), (process) => processOf(runtime, process)),
    ),
  list: (options) =>
    call(runtime, ["nothing", "processes.list"], { options }, () => processes.list),
})
