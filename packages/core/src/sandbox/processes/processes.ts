import { randomBytes } from "node:crypto"
import { Duration, Effect, Schema, Stream } from "effect"
import type { AttachError } from "../../driver/processes.ts"
import {
  type ExecError,
  InvalidInput,
  invalidInput,
  type LeaseError,
  ProcessInputClosed,
  type ProcessNameTaken,
  ProcessNotFound,
  type ProcessNotStarted,
} from "../../errors.ts"
import type { ExecRequest } from "../../values/Exec.ts"
import {
  type AttachedProcess,
  type ProcessEvent,
  type ProcessInfo,
  type Signal,
  signalNumbers,
} from "../../values/Process.ts"
import { SandboxName } from "../../values/SandboxName.ts"
import { encodeText } from "../../values/Text.ts"
import type { SandboxContext } from "../context.ts"
import type { Commands } from "../exec/commands.ts"
import { readLog } from "./processLogs.ts"

/** How a background process is called and run. */
export interface StartOptions {
  /** Lower-case letters, digits and hyphens; a random one by default. */
  readonly name?: string | undefined
  /** Relative to the sandbox's working directory, which is also the default. */
  readonly cwd?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  /** A name or number, optionally with a group (`1000:1000`); the sandbox's user by default. */
  readonly user?: string | undefined
  /**
   * Whether its standard input stays open for `write`, until `closeStdin`. By default it has none: what
   * it reads is at its end at once.
   */
  readonly stdin?: boolean | undefined
}

/** How much of what a process has written is given. */
export interface LogOptions {
  /** Bytes of each output, counted from its end; see `Settings.outputLimit` for the default. */
  readonly tail?: number | undefined
}

/** The ends of what a process has written. */
export interface ProcessLogs {
  /** UTF-8. */
  readonly stdout: string
  readonly stderr: string
  /** Whether it wrote more than this: either output was longer, or its beginning is no longer kept. */
  readonly truncated: boolean
}

/** Where in what a process has written the following starts. */
export interface FollowOptions {
  /** From where: all that is kept of what it wrote, by default, or only what comes. */
  readonly from?: "start" | "now" | undefined
}

/** How long a process may take to end by itself. */
export interface KillOptions {
  /**
   * How long it may take to end by itself after SIGTERM: 5 seconds by default, at most a minute, 0 for no
   * time.
   */
  readonly grace?: Duration.Input | undefined
}

/** What using a background process may fail with. */
export type ProcessError = AttachError | LeaseError | InvalidInput

/** A process that outlives the command that started it, with all that it starts. */
export interface BackgroundProcess {
  readonly name: string
  readonly inspect: Effect.Effect<ProcessInfo, ProcessError>
  /** The ends of what it wrote so far. Of both outputs together the last 1 MiB is kept. */
  readonly logs: (options?: LogOptions) => Effect.Effect<ProcessLogs, ProcessError>
  /**
   * What it writes as it comes, then its exit. Output that is no longer kept when it is read is counted
   * by `Lost`. Ending the stream early leaves the process alone.
   */
  readonly follow: (options?: FollowOptions) => Stream.Stream<ProcessEvent, ProcessError>
  /** Waits for its end. @returns its exit code */
  readonly wait: Effect.Effect<number, ProcessError>
  /**
   * Writes to its standard input, and returns once the process, or the pipe to it, has taken all. Text
   * is written as UTF-8. Fails with `ProcessInputClosed` where it takes none.
   */
  readonly write: (
    data: string | Uint8Array,
  ) => Effect.Effect<void, ProcessError | ProcessInputClosed>
  /** Closes its standard input; no effect where it is closed. */
  readonly closeStdin: Effect.Effect<void, ProcessError>
  /** Sends a signal to it and to those of its children that stayed in its process group. */
  readonly signal: (signal: Signal) => Effect.Effect<void, ProcessError>
  /**
   * Ends it and all that it started, and returns once nothing of it is left: SIGTERM to its process group,
   * and SIGKILL for what is left after the grace. Its logs and its exit code stay.
   */
  readonly kill: (options?: KillOptions) => Effect.Effect<void, ProcessError>
  /** Kills it and removes its logs. */
  readonly remove: Effect.Effect<void, ProcessError>
}

/**
 * Background processes. They belong to the sandbox: any program that finds the sandbox finds them, with
 * what they wrote and how they ended. A stop of the sandbox ends them, and nothing of them is left then.
 * They do not count as use of the sandbox.
 */
export interface Processes {
  /**
   * Starts a command that goes on when this program ends. The name of one that has ended is free again:
   * its logs make room for the new one, and what it left running is killed. A sandbox keeps 128; where
   * more are started, the oldest that has ended is forgotten.
   */
  readonly start: (
    command: ExecRequest["command"],
    options?: StartOptions,
  ) => Effect.Effect<
    BackgroundProcess,
    ProcessError | ExecError | ProcessNameTaken | ProcessNotStarted
  >
  readonly get: (name: string) => Effect.Effect<BackgroundProcess, ProcessError>
  /** Oldest first, the ended ones too. */
  readonly list: Effect.Effect<ReadonlyArray<ProcessInfo>, ProcessError>
}

const Name = (name: string) =>
  Effect.mapError(
    Schema.decodeUnknownEffect(SandboxName)(name),
    invalidInput("name of a background process"),
  )

const maxDescription = 1000

/** The command as a text, for people. */
const shown = (command: ExecRequest["command"]): string => {
  const text =
    typeof command === "string"
      ? command
      : command
          .map((part) => (/^[\w./:=@%+,-]+$/.test(part) ? part : JSON.stringify(part)))
          .join(" ")
  const bytes = new TextEncoder().encodeInto(text, new Uint8Array(maxDescription))
  return text.slice(0, bytes.read)
}

const Bytes = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 30 })))

const graceOf = Effect.fnUntraced(function* ({ grace = "5 seconds" }: KillOptions) {
  const time = Duration.fromInput(grace)
  if (time._tag === "Some" && Duration.toMillis(time.value) <= 60_000) return time.value
  return yield* new InvalidInput({
    subject: "grace",
    issue: "it must be a duration of at most a minute",
  })
})

/** The background processes of one sandbox. */
export const makeProcesses = (
  { id, driver, use, useStream, need, settings }: SandboxContext,
  { prepare }: Pick<Commands, "prepare">,
): Processes => {
  const available = need("processes")
  // A position beyond the end of the output means its end.
  const end = Number.MAX_SAFE_INTEGER

  const find = (name: string) =>
    Effect.flatMap(driver.listProcesses(id), (all) => {
      const found = all.find((process) => process.name === name)
      return found === undefined
        ? Effect.fail(new ProcessNotFound({ process: name }))
        : Effect.succeed(found)
    })

  const handle = (name: string): BackgroundProcess => {
    /** Attached from the end of its output on. */
    const withProcess = <A, E>(
      f: (process: AttachedProcess<AttachError>) => Effect.Effect<A, E>,
    ): Effect.Effect<A, E | ProcessError> =>
      use(Effect.scoped(Effect.flatMap(driver.attachProcess(id, name, end), f)))

    const logs = Effect.fn("BackgroundProcess.logs")(function* (options: LogOptions = {}) {
      const tail = yield* Schema.decodeUnknownEffect(Bytes)(
        options.tail ?? settings.outputLimit,
      ).pipe(Effect.mapError(invalidInput("tail of logs")))
      return yield* use(
        Effect.gen(function* () {
          const { outputBytes } = yield* find(name)
          const { events } = yield* driver.attachProcess(id, name, 0)
          return yield* readLog(events, outputBytes, tail)
        }).pipe(Effect.scoped),
      )
    })

    const follow: BackgroundProcess["follow"] = ({ from = "start" } = {}) =>
      useStream(
        Stream.unwrap(
          Effect.map(
            driver.attachProcess(id, name, from === "start" ? 0 : end),
            ({ events }) => events,
          ),
        ),
      )

    return {
      name,
      inspect: use(find(name)),
      logs,
      follow,
      wait: Stream.runFold(
        follow({ from: "now" }),
        () => 137,
        (code, event) => (event._tag === "Exit" ? event.exitCode : code),
      ),
      write: Effect.fn("BackgroundProcess.write")(function* (data) {
        const bytes =
          typeof data === "string" ? yield* encodeText("input of the process", data) : data
        yield* withProcess(
          ({ takesInput, write }): Effect.Effect<void, ProcessInputClosed> =>
            takesInput ? write(bytes) : Effect.fail(new ProcessInputClosed({ process: name })),
        )
      }),
      closeStdin: withProcess((process) => process.end),
      signal: Effect.fn("BackgroundProcess.signal")(function* (signal) {
        const number = signalNumbers[signal]
        if (number === undefined) {
          return yield* new InvalidInput({
            subject: "signal",
            issue: `it must be one of ${Object.keys(signalNumbers).join(", ")}`,
          })
        }
        yield* withProcess((process) => process.signal(number))
      }),
      kill: Effect.fn("BackgroundProcess.kill")(function* (options = {}) {
        const grace = yield* graceOf(options)
        yield* use(driver.endProcess(id, name, { grace, keepLog: true }))
      }),
      remove: use(driver.endProcess(id, name, { grace: Duration.zero, keepLog: false })),
    }
  }

  return {
    list: Effect.andThen(available, use(driver.listProcesses(id))),
    get: Effect.fn("Sandbox.processes.get")(function* (name: string) {
      yield* available
      const process = handle(yield* Name(name))
      yield* process.inspect
      return process
    }),
    start: Effect.fn("Sandbox.processes.start")(function* (command, options = {}) {
      yield* available
      const { name: given, stdin = false, ...others } = options
      const name = yield* Name(given ?? `process-${randomBytes(4).toString("hex")}`)
      const { request } = yield* prepare(command, others)
      const { timeout: _, ...process } = request
      yield* use(driver.startProcess(id, { ...process, name, stdin, description: shown(command) }))
      return handle(name)
    }),
  }
}
