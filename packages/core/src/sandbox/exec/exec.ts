import { Duration, Effect, Stream } from "effect"
import { CommandFailed, ExecTimedOut, OutOfMemory } from "../../errors.ts"
import { execDuration } from "../../metrics.ts"
import type { ExecRequest } from "../../values/Exec.ts"
import type { SandboxContext } from "../context.ts"
import type { Sandbox } from "../Sandbox.ts"
import type { Commands } from "./commands.ts"
import type { ExecOptions } from "./ExecOptions.ts"

/** Runs commands to their end, or as a stream of what they write. */
export const makeExec = (
  { driver, id, info }: SandboxContext,
  { prepare, collect, run }: Commands,
): Pick<Sandbox, "exec" | "run" | "execStream"> => {
  const exec = Effect.fn("Sandbox.exec")(
    function* (command: ExecRequest["command"], options: ExecOptions = {}) {
      const { request, outputLimit } = yield* prepare(command, options)
      return yield* collect(request, driver.exec(id, request), { ...options, outputLimit })
    },
    Effect.annotateSpans({ "sandbox.id": id }),
    Effect.trackDuration(execDuration),
  )
  return {
    exec,
    run: Effect.fnUntraced(function* (command, options = {}) {
      const result = yield* exec(command, options)
      const { stdout, stderr, exitCode } = result
      if (result.timedOut) {
        const { timeout } = yield* prepare(command, options)
        return yield* new ExecTimedOut({ timeout: Duration.toMillis(timeout), stdout, stderr })
      }
      if (result.oomKilled) return yield* new OutOfMemory({ sandbox: info.name })
      if (exitCode !== 0) return yield* new CommandFailed({ exitCode, stdout, stderr })
      return result
    }),
    execStream: (command, options = {}) =>
      Stream.unwrap(Effect.map(prepare(command, options), ({ request }) => run(request))),
  }
}
