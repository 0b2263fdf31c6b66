import type { Sandbox } from "@cordon/core"
import { Effect, type PlatformError, Redacted } from "effect"
import { type ChildProcess, CommandLine } from "effect/process"
import { badArgument, type Place, platformError, systemError } from "./failure.ts"

/** The arguments with which a command is run. */
export interface Launch {
  readonly place: Place
  readonly argv: readonly [string, ...ReadonlyArray<string>]
  readonly cwd?: string | undefined
  readonly env: Readonly<Record<string, string>>
  /** Variables of the sandbox that the command is not to have. */
  readonly unset: ReadonlyArray<string>
}

type Value = string | Redacted.Redacted<string>
const unwrap = (value: Value): string =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

const isText = (value: Value) => {
  const text = unwrap(value)
  return text.isWellFormed() && !text.includes("\0")
}

/** The problem with a command. It repeats nothing that may be secret. */
const problemOf = ({ command, args, options }: ChildProcess.StandardCommand) => {
  const { shell, env = {}, additionalFds = {} } = options
  if (shell !== undefined && shell !== false && args.length > 0) {
    return "The shell option cannot be combined with arguments; pass the whole script as the command"
  }
  if (command === "") return "The command is empty"
  if (!isText(command)) return "The command contains a NUL character or half a character"
  const wrong = args.findIndex((arg) => !isText(arg))
  if (wrong !== -1) return `Argument ${wrong + 1} contains a NUL character or half a character`
  for (const [name, value] of Object.entries(env)) {
    if (!/^[A-Za-z_]\w*$/.test(name)) {
      return "The names of environment variables are letters, digits and underscores in a sandbox"
    }
    if (value !== undefined && !isText(value)) {
      return `The environment variable ${name} contains a NUL character or half a character`
    }
  }
  if (Object.keys(additionalFds).length > 0) {
    return "A sandbox's commands have no file descriptors beyond standard input, output and error"
  }
  return undefined
}

/** Checks a command before anything of it is run. */
export const launchOf = (
  command: ChildProcess.StandardCommand,
): Effect.Effect<Launch, PlatformError.PlatformError> => {
  const { shell, cwd, env = {} } = command.options
  const place: Place = {
    module: "ChildProcess",
    method: "spawn",
    path: CommandLine.display([command.command, ...command.args]),
  }
  const problem = problemOf(command)
  if (problem !== undefined) return Effect.fail(badArgument(place, problem))
  const given = Object.entries(env)
  return Effect.succeed({
    place,
    argv:
      shell === undefined || shell === false
        ? [command.command, ...command.args.map(unwrap)]
        : [shell === true ? "/bin/sh" : shell, "-c", command.command],
    cwd,
    env: Object.fromEntries(
      given.flatMap(([name, value]) => (value === undefined ? [] : [[name, unwrap(value)]])),
    ),
    unset: given.flatMap(([name, value]) => (value === undefined ? [name] : [])),
  })
}

// In a subshell, so that the script's variables do not replace the command's variables of the same
// name.
const greet = `(
  case $1 in
    */*)
      [ -e "$1" ] || { echo missing >&2; exit 1; }
      { [ -f "$1" ] && [ -x "$1" ]; } || { echo denied >&2; exit 1; }
      echo "$$" >&2
      exit 0 ;;
  esac
  set -f
  IFS=:
  for folder in \${PATH-/usr/local/bin:/usr/bin:/bin}; do
    if [ -f "\${folder:-.}/$1" ] && [ -x "\${folder:-.}/$1" ]; then
      echo "$$" >&2
      exit 0
    fi
  done
  echo missing >&2
  exit 1
) || exit 127
`

const wrapped = ({ argv, unset }: Launch, before: string): Launch["argv"] => [
  "/bin/sh",
  "-c",
  `${unset.length === 0 ? "" : `unset ${unset.join(" ")}\n`}${before}exec "$@"`,
  "sh",
  ...argv,
]

/**
 * The arguments of a wrapper that first reports the result of the command's start in a line on
 * standard error.
 */
export const greeting = (launch: Launch) => wrapped(launch, greet)

/** The command's arguments as they are. */
export const plain = (launch: Launch) =>
  launch.unset.length === 0 ? launch.argv : wrapped(launch, "")

/** The process ID from the first line, or the reason why there is none. */
export const readGreeting = (
  { place }: Launch,
  line: string,
): Effect.Effect<number, PlatformError.PlatformError> => {
  switch (line) {
    case "missing":
      return Effect.fail(systemError(place, "NotFound", "the sandbox has no such program"))
    case "denied":
      return Effect.fail(
        systemError(place, "PermissionDenied", "the program is there and can't be run"),
      )
  }
  const pid = /^\d{1,10}$/.test(line) ? Number(line) : 0
  return pid > 1
    ? Effect.succeed(pid)
    : Effect.fail(systemError(place, "Unknown", "the sandbox's /bin/sh did not start the program"))
}

/** Looks for the program if nothing reports its start. */
export const lookFor = (sandbox: Sandbox, launch: Launch) => {
  const { place, env, cwd } = launch
  const script = `case $1 in */*) [ -e "$1" ] ;; *) command -v "$1" ;; esac`
  return sandbox
    .exec(["/bin/sh", "-c", script, "sh", launch.argv[0]], {
      env,
      cwd,
    })
    .pipe(
      Effect.mapError(startError(launch)),
      Effect.flatMap(({ exitCode }) =>
        exitCode === 0
          ? Effect.void
          : Effect.fail(systemError(place, "NotFound", "the sandbox has no such program")),
      ),
    )
}

/** Converts the error of a start: a missing working folder becomes `NotFound`. */
export const startError =
  ({ place }: Launch) =>
  (error: Parameters<ReturnType<typeof platformError>>[0]): PlatformError.PlatformError =>
    error._tag === "InvalidPath"
      ? systemError(place, "NotFound", error.message, error)
      : platformError(place)(error)
