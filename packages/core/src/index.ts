import "./requireNode.ts"

export { handOver } from "./concurrency/handOver.ts"
export { makeKeyedLock } from "./concurrency/KeyedLock.ts"
export { whileItMoves } from "./concurrency/whileItMoves.ts"
export * from "./driver/capabilities.ts"
export * from "./driver/commands.ts"
export * from "./driver/files.ts"
export { HoldsProcess } from "./driver/HoldsProcess.ts"
export { Incarnation, requireIncarnation, type SandboxTarget } from "./driver/Incarnation.ts"
export * from "./driver/lifecycle.ts"
export * from "./driver/ports.ts"
export * from "./driver/processes.ts"
export * from "./driver/snapshots.ts"
export { unsupportedFeatures } from "./driver/unsupportedFeatures.ts"
export { destinationsOf } from "./egress/ceiling.ts"
export {
  EgressBroker,
  type OpenError,
  type OpenedSandbox,
  type WayOut,
} from "./egress/EgressBroker.ts"
export type { SetError } from "./egress/waysOut.ts"
export { type CallSite, callSite } from "./errors/callSite.ts"
export { TaggedError, withCallSite } from "./errors/TaggedError.ts"
export * from "./errors.ts"
export { checkInput, type InputSchema, optionNames, optionsOf } from "./input/checkInput.ts"
export * from "./LeaseStore.ts"
export { Leases } from "./Leases.ts"
export { type IdleLease, isDue } from "./leases/idleRule.ts"
export * from "./leases/Lease.ts"
export { leaseStoreMemory } from "./leases/memoryStore.ts"
export * from "./leases/quotas.ts"
export * from "./Policy.ts"
export * from "./promise/index.ts"
export { SandboxDriver } from "./SandboxDriver.ts"
export { Sandboxes } from "./Sandboxes.ts"
export * from "./SessionFiles.ts"
export { Settings } from "./Settings.ts"
export type { SandboxEgress } from "./sandbox/egress.ts"
export type { ExecOptions } from "./sandbox/exec/ExecOptions.ts"
export { collectOutput, HeadAndTail } from "./sandbox/exec/Output.ts"
export type {
  ListOptions,
  RemoveOptions,
  SearchOptions,
  SearchResult,
} from "./sandbox/files/folders.ts"
export type { PathError } from "./sandbox/files/paths.ts"
export type { ReadOptions, SandboxFiles, WriteOptions } from "./sandbox/files/SandboxFiles.ts"
export type { WatchError, WatchOptions } from "./sandbox/files/watch.ts"
export type {
  ClonedRepository,
  CloneOptions,
  Git,
  GitCredentials,
  GitError,
} from "./sandbox/git/Git.ts"
export type { RunCommand, ScriptError } from "./sandbox/git/runScript.ts"
export { duplexOf } from "./sandbox/ports/duplex.ts"
export { listeningPorts, tables as listeningTables } from "./sandbox/ports/listening.ts"
export type {
  ExposedPort,
  ExposeOptions,
  PortError,
  Ports,
  WaitOptions,
} from "./sandbox/ports/Ports.ts"
export { framingOf, passedOn } from "./sandbox/ports/proxyHeaders.ts"
export type { ReverseOptions } from "./sandbox/ports/reversePorts.ts"
export type {
  BackgroundProcess,
  FollowOptions,
  KillOptions,
  LogOptions,
  ProcessError,
  Processes,
  ProcessLogs,
  StartOptions,
} from "./sandbox/processes/Processes.ts"
export type { Sandbox } from "./sandbox/Sandbox.ts"
export type {
  SandboxShell,
  ShellError,
  ShellExecOptions,
  ShellOptions,
  ShellResult,
} from "./sandbox/shell/SandboxShell.ts"
export { shellWord } from "./sandbox/shell/shellWord.ts"
export type { ForkOptions } from "./sandbox/snapshots/snapshots.ts"
export type { StatsError, WatchStatsOptions } from "./sandbox/stats.ts"
export type { SandboxTerminal, TerminalError, TerminalOptions } from "./sandbox/terminal.ts"
export type { SandboxFilter, SandboxPage } from "./session/finding.ts"
export type { SandboxSession, SessionOptions, Snapshots } from "./session/SandboxSession.ts"
export type { CreateSecrets, GetOptions, Secrets } from "./session/Secrets.ts"
export { sessionFilesDirectory } from "./session-files/directory.ts"
export {
  type SessionFilesMemoryOptions,
  sessionFilesMemory,
  sessionFilesMemoryWith,
} from "./session-files/memory.ts"
export type { PullPolicy, QuotaInput, SettingsInput } from "./settings/SettingsInput.ts"
export { type ArchiveEntry, packArchive, unpackArchive } from "./transfer/Archive.ts"
export { download } from "./transfer/download.ts"
export { giveBack, lend } from "./transfer/lentBytes.ts"
export type {
  OnTransfer,
  TransferError,
  TransferProgress,
  TransferReport,
} from "./transfer/progress.ts"
export { upload } from "./transfer/upload.ts"
export * from "./values/Egress.ts"
export * from "./values/EgressRules.ts"
export * from "./values/Exec.ts"
export * from "./values/FilePath.ts"
export * from "./values/Files.ts"
export * from "./values/Folders.ts"
export * from "./values/ImageName.ts"
export * from "./values/Limits.ts"
export * from "./values/PortConnection.ts"
export * from "./values/Process.ts"
export type {
  CheckedCredentials,
  ImageAccess,
  RegistryCredentials,
  RegistryCredentialsInput,
} from "./values/Registry.ts"
export * from "./values/Runtime.ts"
export * from "./values/Sandbox.ts"
export * from "./values/SandboxId.ts"
export * from "./values/SandboxName.ts"
export * from "./values/SandboxUser.ts"
export * from "./values/Session.ts"
export * from "./values/Stats.ts"
export * from "./values/Tags.ts"
