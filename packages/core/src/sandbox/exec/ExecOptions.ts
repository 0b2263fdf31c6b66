import { type Duration, Effect, Schema, Stream } from "effect"
import { InvalidInput, invalidInput } from "../../errors.ts"
import type { ExecRequest, OutputEvent } from "../../values/Exec.ts"
import { Environment, User } from "../../values/Sandbox.ts"
import { encodeText, textProblem } from "../../values/Text.ts"

/**
 * How a command runs. Each part has a default.
 *
 * @example
 * ```ts
 * yield* sandbox.exec("npm test", { cwd: "app", env: { CI: "1" }, timeout: "5 minutes" })
 * ```
 */
export interface ExecOptions {
  /**
   * Where the command runs. A relative path starts at the sandbox's working directory, which is also the
   * default; `~` is the home folder of the user that the command runs as.
   */
  readonly cwd?: string | undefined
  /** Variables added to those of the sandbox, for this command only. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** A name or number, optionally with a group (`1000:1000`). Default: the sandbox's user. */
  readonly user?: string | undefined
  /** Sent to standard input, which is then closed. Default: empty. */
  readonly stdin?: string | Uint8Array | Stream.Stream<Uint8Array> | undefined
  /**
   * How long the command may run. Then it is killed with all its children, and the result says `timedOut`.
   * Default: `Settings.execTimeout`, 2 minutes.
   */
  readonly timeout?: Duration.Input | undefined
  /** Bytes kept of each output: its beginning and its end. Default: `Settings.outputLimit`, 1 MiB. */
  readonly outputLimit?: number | undefined
  /**
   * Called with each piece of `exec`'s output as it comes, uncut. The command waits for a slow callback as
   * it waits for a slow pipe.
   */
  readonly onOutput?: ((output: OutputEvent) => Effect.Effect<void>) | undefined
}

const Checked = Schema.Struct({
  env: Schema.optional(Environment),
  user: Schema.optional(User),
  outputLimit: Schema.optional(Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))),
})
const decode = Schema.decodeUnknownEffect(Checked)
const nothing = Effect.succeed<typeof Checked.Type>({})

/** Checks the options that a schema can check. */
export const checkExecOptions = ({
  env,
  user,
  outputLimit,
}: ExecOptions): Effect.Effect<typeof Checked.Type, InvalidInput> =>
  // Most commands have none of these, and a schema takes its time.
  env === undefined && user === undefined && outputLimit === undefined
    ? nothing
    : Effect.mapError(decode({ env, user, outputLimit }), invalidInput("exec options"))

// Linux refuses a single argument of this many bytes and more.
const argumentLimit = 128 * 1024

const commandProblem = (command: ExecRequest["command"]): string | undefined => {
  const parts = typeof command === "string" ? [command] : command
  if (parts[0] === undefined || parts[0].trim() === "") return "the command is empty"
  if (parts.some((part) => part.includes("\0"))) return "the command contains a NUL character"
  const illFormed = parts.map(textProblem).find((problem) => problem !== undefined)
  if (illFormed !== undefined) return illFormed
  if (parts.some((part) => Buffer.byteLength(part) >= argumentLimit)) {
    return "the command is longer than 128 KiB; write it to a file and run that"
  }
  return undefined
}

/** Refuses a command that Linux could not start. */
export const checkCommand = (
  command: ExecRequest["command"],
): Effect.Effect<void, InvalidInput> => {
  const issue = commandProblem(command)
  return issue === undefined
    ? Effect.void
    : Effect.fail(new InvalidInput({ subject: "command", issue }))
}

/** What a command reads from its standard input. */
export const stdinStream = (
  stdin: NonNullable<ExecOptions["stdin"]>,
): Effect.Effect<Stream.Stream<Uint8Array>, InvalidInput> =>
  typeof stdin === "string"
    ? Effect.map(encodeText("stdin", stdin), Stream.succeed)
    : Effect.succeed(stdin instanceof Uint8Array ? Stream.succeed(stdin) : stdin)
