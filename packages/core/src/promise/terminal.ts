import type { Sandbox } from "../sandbox/Sandbox.ts"
import type { TerminalSize } from "../values/Exec.ts"
import { call, callScoped } from "./call.ts"
import { iterable } from "./iterable.ts"
import type { Abortable } from "./options.ts"
import type { PromiseSandbox } from "./PromiseSandbox.ts"
import type { PromiseRuntime } from "./runtime.ts"

/** A command on a terminal of its own. `await using` ends it at the end of the block. */
export interface PromiseTerminal extends AsyncDisposable {
  /** What the terminal shows, control sequences and all; ends with the command. */
  readonly output: AsyncIterable<Uint8Array>
  /** Types: `"ls\n"`, or `"\x03"` for control-C. */
  readonly write: (data: string | Uint8Array) => Promise<void>
  /** Tells the command (by SIGWINCH) of another size. */
  readonly resize: (size: TerminalSize) => Promise<void>
  /** Waits for the command's end. @returns its exit code */
  readonly wait: (options?: Abortable) => Promise<number>
  /** Kills the command and all that it started. */
  readonly close: () => Promise<void>
}

/** Opens terminals of a sandbox. */
export const terminalOf =
  (runtime: PromiseRuntime, sandbox: Sandbox): PromiseSandbox["terminal"] =>
  (options) =>
    callScoped(runtime, "terminal", { options }, () => sandbox.terminal(options)).then(
      ({ value, close }) => {
        const { signal } = options ?? {}
        signal?.addEventListener("abort", () => void close(), { once: true })
        return {
          output: iterable(runtime, value.output, signal === undefined ? {} : { signal }),
          write: (data) =>
            call(runtime, ["type", "terminal.write"], { data }, () => value.write(data)),
          resize: (size) =>
            call(runtime, ["resize", "terminal.resize"], { size }, () => value.resize(size)),
          wait: (options) =>
            call(runtime, ["nothing", "terminal.wait"], { options }, () => value.exit),
          close,
          [Symbol.asyncDispose]: close,
        }
      },
    )
