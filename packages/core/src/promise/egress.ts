import type { Sandbox } from "../sandbox/Sandbox.ts"
import { call, callStream } from "./call.ts"
import type { PromiseEgress } from "./PromiseSandbox.ts"
import type { PromiseRuntime } from "./runtime.ts"

/** The way out of a sandbox. */
export const egressOf = (runtime: PromiseRuntime, { egress }: Sandbox): PromiseEgress => ({
  get rules() {
    return egress.rules
  },
  update: (rules, options) =>
    call(runtime, ["rules", "egress.update"], { rules, options }, () => egress.update(rules)),
  attempts: (options) =>
    call(runtime, ["nothing", "egress.attempts"], { options }, () => egress.attempts),
  watch: (options) =>
    callStream(runtime, ["nothing", "egress.watch"], { options }, () => egress.watch),
})
