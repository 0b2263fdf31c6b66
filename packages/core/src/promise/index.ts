export {
  backingOfSandbox,
  backingOfSession,
  type SandboxBacking,
  type SessionBacking,
} from "./backing.ts"
export { checkSettings } from "./checkSettings.ts"
export { createSandboxes, layerSandboxes } from "./createSandboxes.ts"
export type { PromiseEgress } from "./egress.ts"
export type { PromiseSandboxFiles } from "./files.ts"
export type { PromiseGit } from "./git.ts"
export type { LogEntry, LoggingOptions, LogLevel, LogSink } from "./logging.ts"
export { type CallRuntime, makeRuntime } from "./makeRuntime.ts"
export type * from "./options.ts"
export type * from "./PromiseSandbox.ts"
export type * from "./PromiseSandboxes.ts"
export type { PromiseExposedPort, PromisePorts, PromiseReversedPort } from "./ports.ts"
export type { PromiseProcess, PromiseProcesses } from "./processes.ts"
export { type PromiseRuntime, runExit, type SetupError } from "./runtime.ts"
export { createSandboxesFields } from "./shapes.ts"
export type { PromiseShell } from "./shell.ts"
export type { PromiseTerminal } from "./terminal.ts"
