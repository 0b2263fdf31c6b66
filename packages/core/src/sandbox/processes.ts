import { randomBytes } from "node:crypto"
import { Duration, Effect, Schema, Stream } from "effect"
import {
  type ExecError,
  type HostError,
  InvalidInput,
  invalidInput,
  type LeaseError,
  ProcessNameTaken,
  ProcessNotFound,
  type Unsupported,
} from "../errors.ts"
import type { ExecEvent, ExecRequest } from "../values/Exec.ts"
import { SandboxName } from "../values/SandboxName.ts"
import { scriptArgv } from "./commandShell.ts"
import { killProcessesScript } from "./killScript.ts"
import * as scripts from "./processScripts.ts"
import { type Judge, type RunCommand, runScript, type ScriptError, scriptCommand } from "./shell.ts"

/** How a background process is called and run. */
export interface StartOptions {
  /** Lower-case letters, digits and hyphens; a random one by default. */
  readonly name?: string
  /** Relative to the sandbox's working directory, which is also the default. */
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** A background process as the sandbox knows it. */
export interface ProcessInfo {
  readonly name: string
  /** As it was started, at most 1,000 characters of it. */
  readonly command: string
  readonly status: "running" | "exited"
  /** Of one that has exited; 137 for one that was killed, or went down with its sandbox. */
  readonly exitCode?: number
  readonly startedAt: Date
}

/** How much of what a process has written is given. */
export interface LogOptions {
  /** Bytes of each output, counted from its end; see `Settings.outputLimit` for the default. */
  readonly tail?: number
}

/** The ends of what a process has written. */
export interface ProcessLogs {
  /** UTF-8. */
  readonly stdout: string
  readonly stderr: string
  /** Whether either was longer. */
  readonly truncated: boolean
}

/** Where in what a process has written the following starts. */
export interface FollowOptions {
  /** From where: all that was ever written by default, or only what comes. */
  readonly from?: "start" | "now"
}

/** How long a process may take to end by itself. */
export interface KillOptions {
  /** How long it may take to end by itself after SIGTERM; 5 seconds by default, 0 for no time. */
  readonly grace?: Duration.Input
}

/** What starting, watching or ending a background process may fail with. */
export type ProcessError = ScriptError | InvalidInput | ProcessNotFound | Unsupported

/** A process that outlives the command that started it, with all that it starts. */
export interface BackgroundProcess {
  readonly name: string
  readonly inspect: Effect.Effect<ProcessInfo, ProcessError>
  /** The ends of what it wrote so far. */
  readonly logs: (options?: LogOptions) => Effect.Effect<ProcessLogs, ProcessError>
  /** What it writes as it comes, then its exit. Ending the stream early leaves the process alone. */
  readonly follow: (options?: FollowOptions) => Stream.Stream<ExecEvent, ProcessError>
  /** Waits for its end. @returns its exit code */
  readonly wait: Effect.Effect<number, ProcessError>
  /** Ends it and all that it started: SIGTERM, and SIGKILL for what is left after the grace. */
  readonly kill: (options?: KillOptions) => Effect.Effect<void, ProcessError>
  /** Kills it and removes its logs. */
  readonly remove: Effect.Effect<void, ProcessError>
}

/**
 * Background processes. Their state and logs are in the sandbox: whoever finds the sandbox finds
 * them, and a stop of the sandbox ends them. They do not count as use of the sandbox.
 */
export interface Processes {
  readonly start: (
    command: ExecRequest["command"],
    options?: StartOptions,
  ) => Effect.Effect<BackgroundProcess, ProcessError | ProcessNameTaken>
  readonly get: (name: string) => Effect.Effect<BackgroundProcess, ProcessError>
  /** Oldest first, the ended ones too. */
  readonly list: Effect.Effect<ReadonlyArray<ProcessInfo>, ScriptError | Unsupported>
}

const isName = Schema.is(SandboxName)
const Name = (name: string) =>
  Effect.mapError(
    Schema.decodeUnknownEffect(SandboxName)(name),
    invalidInput("name of a background process"),
  )

/** The command on one line, for people. */
const shown = (command: ExecRequest["command"]) =>
  (typeof command === "string"
    ? command
    : command.map((part) => (/^[\w./:=@%+,-]+$/.test(part) ? part : JSON.stringify(part))).join(" ")
  ).slice(0, 1000)

const parseList = (printed: string): ReadonlyArray<ProcessInfo> => {
  const fields = printed.split("\0")
  const found: Array<ProcessInfo> = []
  for (let at = 0; at + 5 <= fields.length; at += 5) {
    const [name = "", _pid, started = "", code = "", command = ""] = fields.slice(at, at + 5)
    // What is not of our making is the sandbox's own business.
    if (!isName(name) || !/^\d{1,12}$/.test(started) || !/^\d{0,3}$/.test(code)) continue
    found.push({
      name,
      command,
      status: code === "" ? "running" : "exited",
      ...(code === "" ? {} : { exitCode: Number(code) }),
      startedAt: new Date(Number(started) * 1000),
    })
  }
  return found.sort((a, b) => a.startedAt.getTime() - b.startedAt.getTime())
}

/** Without the first character, and what is left of one before it. */
const withoutFirst = (text: string) => text.replace(/^\ufffd*./su, "")

const Bytes = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 30 })))

export const makeProcesses = (needs: {
  readonly run: RunCommand
  /** As `run`, without a timeout. */
  readonly runOn: RunCommand
  readonly prepare: (
    command: ExecRequest["command"],
    options: StartOptions,
  ) => Effect.Effect<ExecRequest, ExecError | LeaseError>
  readonly available: Effect.Effect<void, Unsupported | HostError>
  readonly outputLimit: number
}): Processes => {
  const { run, runOn, prepare, available, outputLimit } = needs

  const judge =
    (name: string): Judge<ProcessNotFound> =>
    (exitCode) =>
      exitCode === scripts.processExit.missing ? new ProcessNotFound({ process: name }) : undefined

  const handle = (name: string): BackgroundProcess => {
    const script = (text: string, ...args: ReadonlyArray<string>) =>
      runScript(run, name, scriptCommand(text, name, ...args), judge(name))

    const inspect = Effect.flatMap(list, (all) => {
      const found = all.find((process) => process.name === name)
      return found === undefined
        ? Effect.fail(new ProcessNotFound({ process: name }))
        : Effect.succeed(found)
    })

    const logs = Effect.fn("BackgroundProcess.logs")(function* (options: LogOptions = {}) {
      const tail = yield* Schema.decodeUnknownEffect(Bytes)(options.tail ?? outputLimit).pipe(
        Effect.mapError(invalidInput("tail of logs")),
      )
      const result = yield* runScript(
        run,
        name,
        // One more byte than is wanted: enough to tell that there is more.
        scriptCommand(scripts.logsScript, name, String(tail + 1)),
        judge(name),
        2 * tail,
      )
      const [outCut, errCut] = [result.stdoutBytes > tail, result.stderrBytes > tail]
      return {
        stdout: outCut ? withoutFirst(result.stdout) : result.stdout,
        stderr: errCut ? withoutFirst(result.stderr) : result.stderr,
        truncated: outCut || errCut,
      }
    })

    const follow: BackgroundProcess["follow"] = ({ from = "start" } = {}) =>
      Stream.unwrap(
        Effect.as(
          // The exit code of what follows is the process's own, and may be any.
          inspect,
          runOn(scriptCommand(scripts.followScript, name, from === "start" ? "1" : "")),
        ),
      )

    const kill = Effect.fn("BackgroundProcess.kill")(function* ({
      grace = 5000,
    }: KillOptions = {}) {
      const time = Duration.fromInput(grace)
      if (time._tag === "None" || Duration.toMillis(time.value) > 60_000) {
        return yield* new InvalidInput({
          subject: "grace",
          issue: "it must be a duration of at most a minute",
        })
      }
      const rounds = Math.ceil(Duration.toMillis(time.value) / 100)
      const { stdout: left } = yield* script(scripts.terminateScript, String(rounds))
      if (left === "") return
      yield* runScript(run, name, scriptCommand(killProcessesScript(scripts.processMarker), left))
    })

    return {
      name,
      inspect,
      logs,
      follow,
      wait: Stream.runFold(
        follow({ from: "now" }),
        () => 137,
        (code, event) => (event._tag === "Exit" ? event.exitCode : code),
      ),
      kill,
      remove: kill({ grace: 0 }).pipe(Effect.andThen(script(scripts.forgetScript)), Effect.asVoid),
    }
  }

  const list = Effect.andThen(
    available,
    Effect.map(runScript(run, "/tmp", scriptCommand(scripts.listProcessesScript)), ({ stdout }) =>
      parseList(stdout),
    ),
  )

  return {
    list,
    get: Effect.fn("Sandbox.processes.get")(function* (name: string) {
      const process = handle(yield* Name(name))
      yield* process.inspect
      return process
    }),
    start: Effect.fn("Sandbox.processes.start")(function* (command, options = {}) {
      yield* available
      const name = yield* Name(options.name ?? `process-${randomBytes(4).toString("hex")}`)
      const { cwd, env, command: checked } = yield* prepare(command, options)
      const parts = typeof checked === "string" ? scriptArgv(checked) : checked
      const token = randomBytes(12).toString("hex")
      const mark = `${scripts.processMarker}=${token}`
      yield* runScript(
        run,
        cwd ?? "the working directory",
        {
          command: scriptCommand(scripts.startScript, name, mark, shown(checked), ...parts).command,
          env: { ...env, [scripts.processMarker]: token },
          ...(cwd === undefined ? {} : { cwd }),
        },
        (exitCode) =>
          exitCode === scripts.processExit.taken
            ? new ProcessNameTaken({ process: name })
            : undefined,
      )
      return handle(name)
    }),
  }
}
