import { Effect } from "effect"
import type { ExecOptions } from "../sandbox/exec/ExecOptions.ts"
import type { Sandbox } from "../sandbox/Sandbox.ts"
import { contentStream, textOutput } from "./convert.ts"
import { methodsOn } from "./methods.ts"
import type { PromiseExecOptions, PromiseExecStreamOptions } from "./options.ts"
import type { PromiseSandbox } from "./PromiseSandbox.ts"
import type { PromiseRuntime } from "./runtime.ts"

const execOptions = ({ stdin, signal: _, ...options }: PromiseExecStreamOptions = {}) => ({
  ...options,
  ...(stdin === undefined ? {} : { stdin: contentStream(stdin) }),
})

/** Runs a command with the program's callbacks told of its output, to the last byte. */
export const withOutput = <A, E>(
  { onStdout, onStderr, ...options }: PromiseExecOptions = {},
  start: (options: ExecOptions) => Effect.Effect<A, E>,
) => {
  if (onStdout === undefined && onStderr === undefined) return start(execOptions(options))
  const { onOutput, end } = textOutput(onStdout, onStderr)
  return start({ ...execOptions(options), onOutput }).pipe(
    Effect.tap(end),
    Effect.tapError(() => end),
  )
}

/** Commands of a sandbox. */
export const commandsOf = (
  runtime: PromiseRuntime,
  sandbox: Sandbox,
): Pick<PromiseSandbox, "exec" | "run" | "execStream"> => {
  const { promise, iterable } = methodsOn(runtime)
  return {
    exec: promise("exec", (command, options) =>
      withOutput(options, (to) => sandbox.exec(command, to)),
    ),
    run: promise(["exec", "run"], (command, options) =>
      withOutput(options, (to) => sandbox.run(command, to)),
    ),
    execStream: iterable("execStream", (command, options) =>
      sandbox.execStream(command, execOptions(options)),
    ),
  }
}
