import "./requireNode.ts"

export { type ArchiveEntry, packArchive, unpackArchive } from "./Archive.ts"
export { checkInput, type InputSchema, optionNames, optionsOf } from "./checkInput.ts"
export { download } from "./Download.ts"
export { destinationsOf } from "./egress/ceiling.ts"
export { EgressBroker, type OpenError, type WayOut } from "./egress/EgressBroker.ts"
export * from "./egress/EgressRules.ts"
export type { SetError } from "./egress/waysOut.ts"
export * from "./errors.ts"
export { HoldsProcess } from "./HoldsProcess.ts"
export { handOver } from "./handOver.ts"
export { Incarnation, requireIncarnation, type SandboxTarget } from "./Incarnation.ts"
export { makeKeyedLock } from "./KeyedLock.ts"
export * from "./LeaseStore.ts"
export { Leases } from "./Leases.ts"
export { giveBack, lend } from "./Lent.ts"
export { type IdleLease, isDue } from "./leases/idleRule.ts"
export * from "./leases/Lease.ts"
export { leaseStoreMemory } from "./leases/memoryStore.ts"
export * from "./leases/quotas.ts"
export { collectOutput, HeadAndTail } from "./Output.ts"
export * from "./Policy.ts"
export * from "./promise/index.ts"
export * from "./SandboxDriver.ts"
export * from "./Sandboxes.ts"
export * from "./SessionFiles.ts"
export * from "./Settings.ts"
export { duplexOf } from "./sandbox/duplex.ts"
export type { SandboxEgress } from "./sandbox/egress.ts"
export type {
  ListOptions,
  RemoveOptions,
  SearchOptions,
  SearchResult,
} from "./sandbox/folders.ts"
export type {
  ClonedRepository,
  CloneOptions,
  Git,
  GitCredentials,
  GitError,
} from "./sandbox/git.ts"
export type { PathError } from "./sandbox/home.ts"
export type {
  SandboxShell,
  ShellError,
  ShellExecOptions,
  ShellOptions,
  ShellResult,
} from "./sandbox/lastingShell.ts"
export { listeningPorts, tables as listeningTables } from "./sandbox/listening.ts"
export { framingOf, passedOn } from "./sandbox/passOn.ts"
export type {
  ExposedPort,
  ExposeOptions,
  PortError,
  Ports,
  WaitOptions,
} from "./sandbox/ports.ts"
export type {
  BackgroundProcess,
  FollowOptions,
  KillOptions,
  LogOptions,
  ProcessError,
  Processes,
  ProcessLogs,
  StartOptions,
} from "./sandbox/processes.ts"
export type { ReverseOptions } from "./sandbox/reversePorts.ts"
export type { RunCommand, ScriptError } from "./sandbox/shell.ts"
export { shellWord } from "./sandbox/shellWord.ts"
export type { StatsError, WatchStatsOptions } from "./sandbox/stats.ts"
export type { SandboxTerminal, TerminalError, TerminalOptions } from "./sandbox/terminal.ts"
export type { WatchError, WatchOptions } from "./sandbox/watch.ts"
export type { SandboxFilter, SandboxPage } from "./session/finding.ts"
export { sessionFilesDirectory } from "./session-files/directory.ts"
export {
  type SessionFilesMemoryOptions,
  sessionFilesMemory,
  sessionFilesMemoryWith,
} from "./session-files/memory.ts"
export { TaggedError, withCallSite } from "./TaggedError.ts"
export {
  type OnTransfer,
  type TransferError,
  type TransferProgress,
  type TransferReport,
  upload,
} from "./Transfer.ts"
export * from "./values/Egress.ts"
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
export { whileItMoves } from "./whileItMoves.ts"
