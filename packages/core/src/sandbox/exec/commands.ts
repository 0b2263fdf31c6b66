import { Duration, Effect, Stream } from "effect"
import { type ExecError, InvalidInput, type LeaseError } from "../../errors.ts"
import type { ExecEvent, ExecRequest, ExecResult } from "../../values/Exec.ts"
import { readyBy, type SandboxContext } from "../context.ts"
import { checkCommand, checkExecOptions, type ExecOptions, stdinStream } from "./ExecOptions.ts"
import { collectOutput } from "./Output.ts"

/** A command as its caller gave it, made ready for the driver. */
export interface PreparedCommand {
  readonly request: ExecRequest
  /** Bytes kept of each output. */
  readonly outputLimit: number
  /** Infinite where the command has no timeout. */
  readonly timeout: Duration.Duration
}

/** What everything that runs commands in one sandbox has in common. */
export interface Commands {
  /** Checks a command and its options, and fills in the defaults. */
  readonly prepare: (
    command: ExecRequest["command"],
    options: ExecOptions,
  ) => Effect.Effect<PreparedCommand, ExecError | LeaseError>
  /** Checks a timeout. Default: `Settings.execTimeout`. */
  readonly timeoutOf: (given?: Duration.Input) => Effect.Effect<Duration.Duration, InvalidInput>
  /** Runs a prepared request as a use of the sandbox. */
  readonly run: (request: ExecRequest) => Stream.Stream<ExecEvent, ExecError | LeaseError>
  /** Collects what a command writes; that is a use of the sandbox. */
  readonly collect: (
    request: ExecRequest,
    events: Stream.Stream<ExecEvent, ExecError>,
    options: Pick<ExecOptions, "onOutput"> & { readonly outputLimit: number },
  ) => Effect.Effect<ExecResult, ExecError | LeaseError>
}

const finite = (timeout: Duration.Duration) => (Duration.isFinite(timeout) ? timeout : undefined)

const makePrepare = (
  { at, info, settings, secrets, waysOut }: SandboxContext,
  timeoutOf: Commands["timeoutOf"],
): Commands["prepare"] =>
  Effect.fnUntraced(function* (command, options) {
    const { cwd, stdin } = options
    yield* checkCommand(command)
    const { env, user, outputLimit = settings.outputLimit } = yield* checkExecOptions(options)
    const timeout = yield* timeoutOf(options.timeout)
    return {
      request: {
        command,
        cwd: cwd === undefined ? undefined : yield* at(cwd, user, readyBy(timeout)),
        env: { ...waysOut.env(info), ...secrets(), ...env },
        user,
        stdin: stdin === undefined ? undefined : yield* stdinStream(stdin),
        timeout: finite(timeout),
      },
      outputLimit,
      timeout,
    }
  })

/** What runs commands in one sandbox. */
export const makeCommands = (context: SandboxContext): Commands => {
  const { driver, id, info, settings, useFor, useStreamFor, waysOut } = context
  const timeoutOf = Effect.fnUntraced(function* (given: Duration.Input = settings.execTimeout) {
    const timeout = Duration.fromInput(given)
    if (timeout._tag === "Some" && Duration.toMillis(timeout.value) > 0) return timeout.value
    return yield* new InvalidInput({
      subject: "timeout",
      issue:
        "it must be a duration above zero: a number of milliseconds, or text such as '30 seconds'",
    })
  })
  return {
    prepare: makePrepare(context, timeoutOf),
    timeoutOf,
    run: (request) =>
      useStreamFor(request.timeout)(
        Stream.suspend(() =>
          driver.exec(id, { ...request, env: { ...waysOut.env(info), ...request.env } }),
        ),
      ),
    collect: ({ timeout }, events, { onOutput, outputLimit }) => {
      const watched =
        onOutput === undefined
          ? events
          : Stream.tap(events, (event) => (event._tag === "Exit" ? Effect.void : onOutput(event)))
      return useFor(timeout)(collectOutput(watched, outputLimit))
    },
  }
}

/** Gives a helper of ours the time that a command gets by default. */
export const runHelper =
  ({ run }: Commands, { settings }: SandboxContext): Commands["run"] =>
  (request) =>
    run({ ...request, timeout: request.timeout ?? finite(settings.execTimeout) })
