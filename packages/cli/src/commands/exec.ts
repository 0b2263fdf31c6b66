import { randomBytes } from "node:crypto"
import { SandboxDriver } from "@cordon/core"
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { findSandbox, sandboxArgument, sessionFlag } from "../find.ts"
import { common, connected } from "../flags.ts"
import { commandOf, insideFlags, requestOf, runInside } from "../inside.ts"
import { ending, notRun, print } from "../output.ts"

export const exec = Command.make(
  "exec",
  {
    host: common.host,
    session: sessionFlag,
    inside: insideFlags,
    sandbox: sandboxArgument,
    command: Argument.String("command").pipe(
      Argument.withDescription(
        "All that follows the sandbox: one argument is a script for bash (sh where the image has none), several are a program and its arguments",
      ),
      Argument.atLeast(1),
    ),
  },
  ({ host, session, sandbox, command, inside }) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const { id } = yield* findSandbox(sandbox, session)
      if (!inside.detach) {
        const into = {
          exec: (request: Parameters<typeof driver.exec>[1]) => driver.exec(id, request),
          terminal: (request: Parameters<typeof driver.terminal>[1]) =>
            driver.terminal(id, request),
        }
        return yield* runInside(into, inside, commandOf(command))
      }
      const name = `process-${randomBytes(4).toString("hex")}`
      yield* driver.startProcess(id, {
        ...requestOf(inside, commandOf(command)),
        name,
        description: Buffer.from(command.join(" ")).subarray(0, 900).toString(),
        stdin: false,
      })
      yield* print(name)
      return 0
    }).pipe(Effect.provide(connected(host)), (effect) => ending(effect, notRun)),
).pipe(
  Command.withDescription(
    "Runs a command in a sandbox: its output as it comes, its exit code, Ctrl-C ends it inside. Flags come before the sandbox",
  ),
)
