import type { Sandbox } from "../sandbox/Sandbox.ts"
import { call, callScoped } from "./call.ts"
import { iterable } from "./iterable.ts"
import type { PromiseSandbox } from "./PromiseSandbox.ts"
import type { PromiseRuntime } from "./runtime.ts"

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
