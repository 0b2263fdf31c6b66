import { Effect, flow } from "effect"
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
import { methodsOn } from "./methods.ts"
import type { Abortable } from "./options.ts"
import type { PromiseRuntime } from "./runtime.ts"

/** A process that outlives the command that started it, with all that it starts. */
export interface PromiseProcess {
  /** Its name within the sandbox. */
  readonly name: string
  /**
   * The process as the sandbox knows it now.
   *
   * @example
   * const server = await sandbox.processes.get("server")
   * const { status, exitCode } = await server.inspect()
   */
  readonly inspect: (options?: Abortable) => Promise<ProcessInfo>
  /**
   * The ends of what it wrote so far. Of both outputs together the last 1 MiB is kept.
   *
   * @example
   * const server = await sandbox.processes.get("server")
   * const { stderr } = await server.logs({ tail: 10_000 })
   */
  readonly logs: (options?: LogOptions & Abortable) => Promise<ProcessLogs>
  /**
   * What it writes as it comes, then its exit. Output that is no longer kept when it is read is counted
   * by `Lost`. Leaving the loop leaves the process alone.
   *
   * @example
   * const server = await sandbox.processes.get("server")
   * for await (const event of server.follow({ from: "now" })) {
   *   if (event._tag === "Stdout") process.stdout.write(event.bytes)
   * }
   */
  readonly follow: (options?: FollowOptions & Abortable) => AsyncIterable<ProcessEvent>
  /**
   * Waits for its end.
   *
   * @returns its exit code
   * @example
   * const build = await sandbox.processes.start("npm run build")
   * const exitCode = await build.wait({ signal: AbortSignal.timeout(60_000) })
   */
  readonly wait: (options?: Abortable) => Promise<number>
  /**
   * Writes to its standard input; resolves once the process, or the pipe to it, has taken all. Text is
   * written as UTF-8. Rejects with `ProcessInputClosed` where it takes none.
   *
   * @example
   * const python = await sandbox.processes.start(["python3", "-i"], { stdin: true })
   * await python.write("print(6 * 7)\n")
   */
  readonly write: (data: string | Uint8Array, options?: Abortable) => Promise<void>
  /**
   * Closes its standard input; no effect where it is closed.
   *
   * @example
   * const sort = await sandbox.processes.start("sort", { stdin: true })
   * await sort.write("b\na\n")
   * await sort.closeStdin()
   */
  readonly closeStdin: (options?: Abortable) => Promise<void>
  /**
   * Sends a signal to it and to those of its children that stayed in its process group.
   *
   * @example
   * const nginx = await sandbox.processes.get("nginx")
   * await nginx.signal("SIGHUP")
   */
  readonly signal: (signal: Signal, options?: Abortable) => Promise<void>
  /**
   * Ends it and all that it started, and resolves once nothing of it is left: SIGTERM to its process
   * group, and SIGKILL for what is left after the grace. Its logs and its exit code stay.
   *
   * @example
   * const server = await sandbox.processes.get("server")
   * await server.kill({ grace: "10 seconds" })
   */
  readonly kill: (options?: KillOptions & Abortable) => Promise<void>
  /**
   * Kills it and removes its logs.
   *
   * @example
   * const server = await sandbox.processes.get("server")
   * await server.remove()
   */
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
   *
   * @example
   * const server = await sandbox.processes.start("npm run dev", { name: "server", env: { PORT: "3000" } })
   * await sandbox.ports.wait(3000)
   */
  readonly start: (
    command: ExecRequest["command"],
    options?: StartOptions & Abortable,
  ) => Promise<PromiseProcess>
  /**
   * Finds a process by its name, whether it runs or has ended. Rejects with `ProcessNotFound`.
   *
   * @example
   * const server = await sandbox.processes.get("server")
   */
  readonly get: (name: string, options?: Abortable) => Promise<PromiseProcess>
  /**
   * Oldest first, the ended ones too.
   *
   * @example
   * for (const { name, status } of await sandbox.processes.list()) console.log(name, status)
   */
  readonly list: (options?: Abortable) => Promise<ReadonlyArray<ProcessInfo>>
}

const processOf = (runtime: PromiseRuntime, process: BackgroundProcess): PromiseProcess => {
  const { promise, iterable } = methodsOn(runtime)
  return {
    name: process.name,
    inspect: promise(["nothing", "process.inspect"], () => process.inspect),
    logs: promise(["logs", "process.logs"], process.logs),
    follow: iterable(["follow", "process.follow"], process.follow),
    wait: promise(["nothing", "process.wait"], () => process.wait),
    write: promise(["input", "process.write"], process.write),
    closeStdin: promise(["nothing", "process.closeStdin"], () => process.closeStdin),
    signal: promise(["signal", "process.signal"], process.signal),
    kill: promise(["kill", "process.kill"], process.kill),
    remove: promise(["nothing", "process.remove"], () => process.remove),
  }
}

/** Background processes of a sandbox. */
export const processesOf = (runtime: PromiseRuntime, processes: Processes): PromiseProcesses => {
  const { promise } = methodsOn(runtime)
  const toPromises = Effect.map((process: BackgroundProcess) => processOf(runtime, process))
  return {
    start: promise(["start", "processes.start"], flow(processes.start, toPromises)),
    get: promise(["named", "processes.get"], flow(processes.get, toPromises)),
    list: promise(["nothing", "processes.list"], () => processes.list),
  }
}
