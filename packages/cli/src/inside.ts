import {
  type ExecEvent,
  type ExecRequest,
  InvalidInput,
  type TerminalRequest,
  type TerminalSize,
} from "@cordon/core"
import { Effect, Option, type Scope, Stdio, Stream } from "effect"
import { Flag } from "effect/cli"
import { notRun, type OutputClosed, write } from "./output.ts"

const toggle = (name: string, alias: string, description: string) =>
  Flag.Boolean(name).pipe(
    Flag.withAlias(alias),
    Flag.withDescription(description),
    Flag.withDefault(false),
  )

/** Flags of commands that run one in a sandbox. */
export const insideFlags = {
  interactive: toggle("interactive", "i", "Pass standard input on"),
  tty: toggle("tty", "t", "Give the command a terminal"),
  detach: toggle(
    "detach",
    "d",
    "Leave it running in the background, for cordon logs; its name is printed",
  ),
  env: Flag.String("env").pipe(
    Flag.withAlias("e"),
    Flag.withMetavar("NAME=VALUE"),
    Flag.withDescription("A variable; NAME alone takes the value that it has here"),
    Flag.atLeast(0),
  ),
  user: Flag.String("user").pipe(
    Flag.withAlias("u"),
    Flag.withDescription("User: a name or number, optionally with a group"),
    Flag.optional,
  ),
  cwd: Flag.String("workdir").pipe(
    Flag.withAlias("w"),
    Flag.withDescription("Absolute path of the folder to run in"),
    Flag.optional,
  ),
}

export interface InsideFlags {
  readonly interactive: boolean
  readonly tty: boolean
  readonly detach: boolean
  readonly env: ReadonlyArray<string>
  readonly user: Option.Option<string>
  readonly cwd: Option.Option<string>
}

const optionally = <K extends string, A>(key: K, value: Option.Option<A>) =>
  Option.match(value, {
    onNone: () => ({}),
    onSome: (some) => ({ [key]: some }) as { readonly [key in K]: A },
  })

/** One word is a script; several words are a program and its arguments. */
export const commandOf = ([first = "", ...rest]: ReadonlyArray<string>): ExecRequest["command"] =>
  rest.length === 0 ? first : [first, ...rest]

/** Parses variables as docker does. */
const environmentOf = (given: ReadonlyArray<string>): Record<string, string> =>
  Object.fromEntries(
    given.flatMap((text): ReadonlyArray<readonly [string, string]> => {
      const at = text.indexOf("=")
      if (at >= 0) return [[text.slice(0, at), text.slice(at + 1)]]
      const value = process.env[text]
      return value === undefined ? [] : [[text, value]]
    }),
  )

/** The request for a command, from the flags. */
export const requestOf = ({ env, user, cwd }: InsideFlags, command: ExecRequest["command"]) => ({
  command,
  env: environmentOf(env),
  ...optionally("user", user),
  ...optionally("cwd", cwd),
})

/** Access to a sandbox. */
interface Inside<E, E2, E3> {
  readonly exec: (request: ExecRequest) => Stream.Stream<ExecEvent, E>
  readonly terminal: (request: TerminalRequest) => Effect.Effect<
    {
      readonly output: Stream.Stream<Uint8Array, E2>
      readonly write: (bytes: Uint8Array) => Effect.Effect<void, E3>
      readonly resize: (size: TerminalSize) => Effect.Effect<void, E3>
      readonly exit: Effect.Effect<number, E2>
    },
    E,
    Scope.Scope
  >
}

const cells = (count: number | undefined, otherwise: number) =>
  count === undefined || count < 1 ? otherwise : Math.min(count, 9999)

/** The size of this process's terminal, or of a usual one if it has none. */
const sizeHere = (): TerminalSize => ({
  columns: cells(process.stdout.columns, 80),
  rows: cells(process.stdout.rows, 24),
})

/** Reads keys as they are typed (raw mode). The terminal's mode is always restored at the end. */
const rawInput = Effect.acquireRelease(
  Effect.sync(() => {
    const give = () => process.stdin.isRaw && process.stdin.setRawMode(false)
    process.stdin.setRawMode(true)
    process.once("exit", give)
    return give
  }),
  (give) =>
    Effect.sync(() => {
      process.off("exit", give)
      give()
    }),
)

/** Emits each new size of this process's terminal. */
const resizing = <E>(resize: (size: TerminalSize) => Effect.Effect<void, E>) =>
  Effect.gen(function* () {
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const tell = () => void run(Effect.ignore(resize(sizeHere())))
    yield* Effect.acquireRelease(
      Effect.sync(() => process.stdout.on("resize", tell)),
      () => Effect.sync(() => process.stdout.off("resize", tell)),
    )
  })

const onTerminal = <E, E2, E3>(
  inside: Inside<E, E2, E3>,
  request: Omit<TerminalRequest, "size">,
  interactive: boolean,
) =>
  Effect.scoped(
    Effect.gen(function* () {
      if (interactive && !process.stdin.isTTY) {
        return yield* new InvalidInput({
          subject: "input",
          issue: "it is not a terminal; run the command without -t",
        })
      }
      const env = { TERM: "xterm-256color", ...request.env }
      const { stdin } = yield* Stdio.Stdio
      const terminal = yield* inside.terminal({ ...request, env, size: sizeHere() })
      yield* resizing(terminal.resize)
      if (interactive) {
        yield* rawInput
        const typing = Stream.runForEach(Stream.orDie(stdin), terminal.write)
        yield* Effect.forkScoped(Effect.ignore(typing))
      }
      yield* Stream.runForEach(terminal.output, (bytes) => write(process.stdout, bytes))
      return yield* terminal.exit
    }),
  )

/**
 * Runs a command with this process's outputs and, if flags ask for them, its input and terminal.
 * @returns the command's exit code
 */
export const runInside = <E, E2, E3>(
  inside: Inside<E, E2, E3>,
  flags: InsideFlags,
  command: ExecRequest["command"],
): Effect.Effect<number, E | E2 | InvalidInput | OutputClosed, Stdio.Stdio> => {
  const request = requestOf(flags, command)
  const piped = Effect.gen(function* () {
    const { stdin } = yield* Stdio.Stdio
    let exitCode = notRun
    yield* inside
      .exec({ ...request, stdin: flags.interactive ? Stream.orDie(stdin) : undefined })
      .pipe(
        Stream.runForEach((event) => {
          if (event._tag === "Stdout") return write(process.stdout, event.bytes)
          if (event._tag === "Stderr") return write(process.stderr, event.bytes)
          exitCode = event.exitCode
          return Effect.void
        }),
      )
    return exitCode
  })
  const running = flags.tty ? onTerminal(inside, request, flags.interactive) : piped
  // Unread input would keep this process alive.
  return Effect.ensuring(
    running,
    Effect.sync(() => flags.interactive && process.stdin.destroy()),
  )
}
