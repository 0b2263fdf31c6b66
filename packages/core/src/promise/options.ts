import type { ExecOptions as EffectExecOptions } from "../Sandboxes.ts"
import type { TransferProgress } from "../Transfer.ts"

/** Bytes or text, whole or as they come. */
export type Content = string | Uint8Array | AsyncIterable<Uint8Array>

/** Ends the call early; what it started is undone or killed before the promise rejects. */
export interface Abortable {
  readonly signal?: AbortSignal
}

export interface PromiseExecOptions
  extends Omit<EffectExecOptions, "stdin" | "onOutput">,
    Abortable {
  /** Gets `exec`'s and `run`'s standard output as it comes, as text. */
  readonly onStdout?: (text: string) => void
  readonly onStderr?: (text: string) => void
  /** Fed to standard input, which is empty by default. */
  readonly stdin?: Content
}

export interface TransferOptions extends Abortable {
  /** Called some times a second while the transfer runs, and once when it is done. */
  readonly onProgress?: (progress: TransferProgress) => void
}
