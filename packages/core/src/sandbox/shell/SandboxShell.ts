import type { Effect } from "effect"
import type { ExecError, LeaseError, ShellUnavailable } from "../../errors.ts"
import type { ExecResult } from "../../values/Exec.ts"
import type { ExecOptions } from "../exec/ExecOptions.ts"

/** Options of opening a lasting shell. */
export interface ShellOptions {
  /** Its first folder, relative to the sandbox's working directory, which is also the default. */
  readonly cwd?: string | undefined
  /** Its first variables, exported; its commands may change them. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** As for `exec`; all its commands run as this user. */
  readonly user?: string | undefined
}

/** Options of a command in a lasting shell. */
export type ShellExecOptions = Pick<ExecOptions, "stdin" | "timeout" | "outputLimit" | "onOutput">

/** The result of a command in a lasting shell. */
export interface ShellResult extends ExecResult {
  /**
   * Whether the shell was started anew for this command, because the files with its state were gone: a
   * command had removed them, or the sandbox had been stopped and keeps no files (`gvisor`).
   */
  readonly anew: boolean
}

/** Errors of a lasting shell. */
export type ShellError = ExecError | LeaseError | ShellUnavailable

/**
 * A shell that keeps its folder, variables, functions, aliases, options and `umask` between commands.
 * Each command is a process of its own, with its own output and exit code. A program that a command
 * leaves running in the background is no job of the next command.
 */
export interface SandboxShell {
  /**
   * Runs a script; scripts run one at a time. No exit code is an error, and `exit` ends the script, not the
   * shell. A script that times out or is interrupted is killed with all that it started, and the shell
   * goes back to its state before the script.
   *
   * @example
   * const shell = yield* sandbox.shell()
   * yield* shell.exec("cd packages/core && export CI=1")
   * const { stdout } = yield* shell.exec('echo "$PWD $CI"') // /workspace/packages/core 1
   */
  readonly exec: (
    script: string,
    options?: ShellExecOptions,
  ) => Effect.Effect<ShellResult, ShellError>
}
