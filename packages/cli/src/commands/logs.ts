import { InvalidInput, ProcessNotFound, SandboxDriver } from "@cordon/core"
import { Effect, Option, Schema, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { findSandbox, sandboxArgument, sessionFlag } from "../find.ts"
import { common, connected } from "../flags.ts"
import { lastLines } from "../lastLines.ts"
import { ending, write } from "../output.ts"

const Lines = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))

export const logs = Command.make(
  "logs",
  {
    host: common.host,
    session: sessionFlag,
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Go on until the process ends"),
      Flag.withDefault(false),
    ),
    tail: Flag.Int("tail").pipe(
      Flag.withAlias("n"),
      Flag.withDescription("Lines from the end; all that are kept by default"),
      Flag.withSchema(Lines),
      Flag.optional,
    ),
    sandbox: sandboxArgument,
    process: Argument.String("process").pipe(
      Argument.withDescription("A background process; the only one by default"),
      Argument.optional,
    ),
  },
  ({ host, session, sandbox, process: wanted, follow, tail }) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const { id } = yield* findSandbox(sandbox, session)
      const all = yield* driver.listProcesses(id)
      const found = Option.isNone(wanted) ? all : all.filter(({ name }) => name === wanted.value)
      const [process_] = found
      if (process_ === undefined) {
        return yield* Option.isNone(wanted)
          ? new InvalidInput({ subject: "sandbox", issue: "it has no background processes" })
          : new ProcessNotFound({ process: wanted.value })
      }
      if (found.length > 1) {
        const names = all.map(({ name }) => name).join(", ")
        return yield* new InvalidInput({ subject: "process", issue: `name one of ${names}` })
      }
      const { events } = yield* driver.attachProcess(id, process_.name, 0)
      const shown = lastLines(events, {
        written: process_.outputBytes,
        lines: Option.getOrUndefined(tail),
        follow,
      })
      yield* Stream.runForEach(shown, ({ _tag, bytes }) =>
        write(_tag === "Stderr" ? process.stderr : process.stdout, bytes),
      )
      return 0
    }).pipe(Effect.scoped, Effect.provide(connected(host)), ending),
).pipe(
  Command.withDescription("Prints what a background process wrote, the last 1 MiB of it at most"),
)
