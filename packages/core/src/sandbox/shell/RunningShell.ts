import type { Duration, Effect } from "effect"
import type { ExecError, LeaseError } from "../../errors.ts"
import type { ExecResult } from "../../values/Exec.ts"
import type { ShellExecOptions } from "./SandboxShell.ts"

/** A shell that has begun. */
export interface RunningShell {
  /** Runs a script; `lost` where the shell's state is gone and the script was not run. */
  readonly run: (
    script: string,
    /** The exit code of the script before. */
    status: number,
    options: ShellExecOptions,
    /** What is left of the command's time. */
    rest: Effect.Effect<Duration.Duration>,
  ) => Effect.Effect<ExecResult | "lost", ExecError | LeaseError>
  readonly end: Effect.Effect<void, ExecError | LeaseError>
}
