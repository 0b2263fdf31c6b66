import type { Sandbox } from "../sandbox/Sandbox.ts"
import { call, callScoped } from "./call.ts"
import { withOutput } from "./commands.ts"
import type { PromiseSandbox } from "./PromiseSandbox.ts"
import type { PromiseRuntime } from "./runtime.ts"

/** Opens lasting shells of a sandbox. */
export const shellOf =
  (runtime: PromiseRuntime, sandbox: Sandbox): PromiseSandbox["shell"] =>
  (options) =>
    callScoped(runtime, "shell", { options }, () => sandbox.shell(options)).then(
      ({ value, close }) => ({
        exec: (script, options) =>
          call(runtime, ["shellExec", "shell.exec"], { script, options }, () =>
            withOutput(options, (to) => value.exec(script, to)),
          ),
        close,
        [Symbol.asyncDispose]: close,
      }),
    )
