import type { Sandbox } from "../sandbox/Sandbox.ts"
import type { TerminalOptions } from "../sandbox/terminal.ts"
import type { TerminalSize } from "../values/Exec.ts"
import { iterable } from "./iterable.ts"
import { methodsOn } from "./methods.ts"
import type { Abortable } from "./options.ts"
import type { PromiseSandbox } from "./PromiseSandbox.ts"
import type { PromiseRuntime } from "./runtime.ts"

/** A command on a terminal of its own. `await using` ends it at the end of the block. */
export interface PromiseTerminal extends AsyncDisposable {
  /** What the terminal shows, control sequences and all; ends with the command. */
  readonly output: AsyncIterable<Uint8Array>
  /**
   * Types: `"ls\n"`, or `"\x03"` for control-C.
   *
   * @example
   * await using terminal = await sandbox.terminal()
   * await terminal.write("top\n")
   * await terminal.write("\x03")
   */
  readonly write: (data: string | Uint8Array) => Promise<void>
  /**
   * Tells the command (by SIGWINCH) of another size.
   *
   * @example
   * await using terminal = await sandbox.terminal()
   * await terminal.resize({ columns: 120, rows: 40 })
   */
  readonly resize: (size: TerminalSize) => Promise<void>
  /**
   * Waits for the command's end.
   *
   * @returns its exit code
   * @example
   * await using terminal = await sandbox.terminal({ command: ["npm", "init"] })
   * const exitCode = await terminal.wait()
   */
  readonly wait: (options?: Abortable) => Promise<number>
  /**
   * Kills the command and all that it started.
   *
   * @example
   * const terminal = await sandbox.terminal()
   * await terminal.close()
   */
  readonly close: () => Promise<void>
}

/** Opens terminals of a sandbox. */
export const terminalOf = (
  runtime: PromiseRuntime,
  sandbox: Sandbox,
): PromiseSandbox["terminal"] => {
  const { promise, closable } = methodsOn(runtime)
  return closable(
    "terminal",
    (options?: TerminalOptions & Abortable) => sandbox.terminal(options),
    (terminal, close, { signal } = {}) => {
      signal?.addEventListener("abort", () => void close(), { once: true })
      return {
        output: iterable(runtime, terminal.output, signal === undefined ? {} : { signal }),
        write: promise(["type", "terminal.write"], terminal.write),
        resize: promise(["resize", "terminal.resize"], terminal.resize),
        wait: promise(["nothing", "terminal.wait"], () => terminal.exit),
        close,
        [Symbol.asyncDispose]: close,
      }
    },
  )
}
