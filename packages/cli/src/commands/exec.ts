import { SandboxDriver } from "@cordon/core"
import { Effect, Option, Stdio, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { findSandbox, sessionFlag } from "../find.ts"
import { common, connected } from "../flags.ts"
import { ending, write } from "../output.ts"

// What Docker's client ends with when the command was never run.
const notRun = 125

const optionally = <K extends string, A>(key: K, value: Option.Option<A>) =>
  Option.match(value, {
    onNone: () => ({}),
    onSome: (some) => ({ [key]: some }) as { readonly [key in K]: A },
  })

export const exec = Command.make(
  "exec",
  {
    host: common.host,
    session: sessionFlag,
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
    sandbox: Argument.String("sandbox").pipe(Argument.withDescription("Its name or ID")),
    command: Argument.String("command").pipe(
      Argument.withDescription(
        "One argument is a script for bash (sh where the image has none), several are a program and its arguments; what starts with a dash comes after --",
      ),
      Argument.atLeast(1),
    ),
  },
  ({ host, session, sandbox, command, user, cwd }) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const stdio = yield* Stdio.Stdio
      const { id } = yield* findSandbox(sandbox, session)
      const [first = "", ...rest] = command
      let exitCode = notRun
      yield* driver
        .exec(id, {
          command: rest.length === 0 ? first : [first, ...rest],
          stdin: Stream.orDie(stdio.stdin),
          ...optionally("user", user),
          ...optionally("cwd", cwd),
        })
        .pipe(
          Stream.runForEach((event) => {
            if (event._tag === "Stdout") return write(process.stdout, event.bytes)
            if (event._tag === "Stderr") return write(process.stderr, event.bytes)
            exitCode = event.exitCode
            return Effect.void
          }),
          // Input that nobody reads any more would keep this process alive.
          Effect.ensuring(Effect.sync(() => process.stdin.destroy())),
        )
      return exitCode
    }).pipe(Effect.provide(connected(host)), (effect) => ending(effect, notRun)),
).pipe(
  Command.withDescription(
    "Runs a command in a sandbox: its output as it comes, its exit code, Ctrl-C ends it inside",
  ),
)
