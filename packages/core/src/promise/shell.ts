import type { Sandbox } from "../sandbox/Sandbox.ts"
import type { ShellResult } from "../sandbox/shell/SandboxShell.ts"
import { withOutput } from "./commands.ts"
import { methodsOn } from "./methods.ts"
import type { PromiseShellExecOptions } from "./options.ts"
import type { PromiseSandbox } from "./PromiseSandbox.ts"
import type { PromiseRuntime } from "./runtime.ts"

/**
 * A shell that keeps its folder, variables, functions, aliases, options and `umask` between commands.
 * Each command is a process of its own: its output, exit code and end are its own too, and what it
 * leaves running in the background is no job of the next. `await using` closes it.
 */
export interface PromiseShell extends AsyncDisposable {
  /**
   * Runs a script, one at a time, whatever its exit code; `exit` ends the script and not the shell. A
   * script that times out, or whose signal is aborted, is killed with all that it started, and the shell is
   * as it was before it.
   *
   * @example
   * await using shell = await sandbox.shell()
   * await shell.exec("cd packages/core && export CI=1")
   * const { stdout } = await shell.exec('echo "$PWD $CI"') // /workspace/packages/core 1
   */
  readonly exec: (script: string, options?: PromiseShellExecOptions) => Promise<ShellResult>
  /**
   * Kills the command that runs, and removes the files with the shell's state.
   *
   * @example
   * const shell = await sandbox.shell({ cwd: "app" })
   * await shell.close()
   */
  readonly close: () => Promise<void>
}

/** Opens lasting shells of a sandbox. */
export const shellOf = (runtime: PromiseRuntime, sandbox: Sandbox): PromiseSandbox["shell"] => {
  const { promise, closable } = methodsOn(runtime)
  return closable("shell", sandbox.shell, (shell, close) => ({
    exec: promise(["shellExec", "shell.exec"], (script, options) =>
      withOutput(options, (to) => shell.exec(script, to)),
    ),
    close,
    [Symbol.asyncDispose]: close,
  }))
}
