import { Effect } from "effect"
import type { BackgroundProcess, Processes } from "../sandbox/processes/Processes.ts"
import { call, callStream } from "./call.ts"
import type { PromiseProcess, PromiseProcesses } from "./PromiseSandbox.ts"
import type { PromiseRuntime } from "./runtime.ts"

const processOf = (runtime: PromiseRuntime, process: BackgroundProcess): PromiseProcess => ({
  name: process.name,
  inspect: (options) =>
    call(runtime, ["nothing", "process.inspect"], { options }, () => process.inspect),
  logs: (options) =>
    call(runtime, ["logs", "process.logs"], { options }, () => process.logs(options)),
  follow: (options) =>
    callStream(runtime, ["follow", "process.follow"], { options }, () => process.follow(options)),
  wait: (options) => call(runtime, ["nothing", "process.wait"], { options }, () => process.wait),
  write: (data, options) =>
    call(runtime, ["input", "process.write"], { data, options }, () => process.write(data)),
  closeStdin: (options) =>
    call(runtime, ["nothing", "process.closeStdin"], { options }, () => process.closeStdin),
  signal: (signal, options) =>
    call(runtime, ["signal", "process.signal"], { signal, options }, () => process.signal(signal)),
  kill: (options) =>
    call(runtime, ["kill", "process.kill"], { options }, () => process.kill(options)),
  remove: (options) =>
    call(runtime, ["nothing", "process.remove"], { options }, () => process.remove),
})

/** Background processes of a sandbox. */
export const processesOf = (runtime: PromiseRuntime, processes: Processes): PromiseProcesses => ({
  start: (command, options) =>
    call(runtime, ["start", "processes.start"], { command, options }, () =>
      Effect.map(processes.start(command, options), (process) => processOf(runtime, process)),
    ),
  get: (name, options) =>
    call(runtime, ["named", "processes.get"], { name, options }, () =>
      Effect.map(processes.get(name), (process) => processOf(runtime, process)),
    ),
  list: (options) =>
    call(runtime, ["nothing", "processes.list"], { options }, () => processes.list),
})
