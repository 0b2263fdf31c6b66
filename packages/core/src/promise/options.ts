import type { ExecOptions as EffectExecOptions } from "../sandbox/exec/ExecOptions.ts"
import type { TransferProgress } from "../transfer/progress.ts"

/** Bytes or text, whole or as they come. */
export type Content = string | Uint8Array | AsyncIterable<Uint8Array>

/**
 * Ends the call early. What it started is undone or killed before the promise rejects, or goes on
 * being undone where that takes longer than some seconds, as with an engine that hangs.
 */
export interface Abortable {
  /** Aborting it ends the call; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export interface PromiseExecOptions
  extends Omit<EffectExecOptions, "stdin" | "onOutput">,
    Abortable {
  /** Gets standard output as it comes, as text. A throw of it ends the call, which rejects with it. */
  readonly onStdout?: ((text: string) => void) | undefined
  /** As `onStdout`, for standard error. */
  readonly onStderr?: ((text: string) => void) | undefined
  /** Fed to standard input, which is empty by default. */
  readonly stdin?: Content | undefined
}

/** As of `exec`, but for what the events of `execStream` tell anyway. */
export type PromiseExecStreamOptions = Omit<
  PromiseExecOptions,
  "onStdout" | "onStderr" | "outputLimit"
>

/** As of `exec`, but for what the shell has of its own. */
export type PromiseShellExecOptions = Omit<PromiseExecOptions, "cwd" | "env" | "user">

export interface TransferOptions extends Abortable {
  /** Called some times a second while the transfer runs, and once when it is done. */
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined
}
