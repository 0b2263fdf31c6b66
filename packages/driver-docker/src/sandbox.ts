/**
 * What a Docker sandbox is, for drivers that place its container otherwise than on one engine.
 * Internal to Cordon's own packages: it changes without notice.
 */
export { makeCommands } from "./container/commands.ts"
export { becomesInit, type Connections, makeConnections } from "./container/connections.ts"
export { type Deadline, deadlineOf } from "./container/deadline.ts"
export { judgeLoss } from "./container/ends.ts"
export { type ContainerFiles, makeContainerFiles } from "./container/files.ts"
export { initPath } from "./container/initArchive.ts"
export { makeContainerPorts } from "./container/ports.ts"
export {
  type ContainerProcesses,
  forgetProcesses,
  makeContainerProcesses,
} from "./container/processes.ts"
export { removalSeconds } from "./container/removal.ts"
export { makeContainerStats } from "./container/stats.ts"
export type { Target } from "./container/Target.ts"
export { makeTerminals } from "./container/terminals.ts"
export { isIdle, makeUsageOf } from "./container/usage.ts"
export { makeUsers } from "./container/users.ts"
export { driverOptions } from "./driverOptions.ts"
export { defaultPids } from "./engine/capacity.ts"
export { isEngineError } from "./engine/failures.ts"
export { checkHostId } from "./hostId.ts"
export { infoOf, label, labelsAhead, labelsOf, tagFilter } from "./Labels.ts"
export { defaultRuntimeNames, runtimesOf } from "./Runtimes.ts"
export { makeImageRights } from "./registry/ImageRights.ts"
export { type RegistryAuth, registryAuth } from "./registry/registryAuth.ts"
export { capacityOf, freeSubnets, parsePool, type Range } from "./Subnets.ts"
export { makeBackground } from "./sandbox/background.ts"
export { containerSpec, identityOf } from "./sandbox/container.ts"
export { type EventHub, makeEventHub } from "./sandbox/events.ts"
export { makeKindPool, type Shelf } from "./sandbox/kindPool.ts"
export { makeReadyCount } from "./sandbox/poolMetrics.ts"
export { pullFailure } from "./sandbox/pullFailure.ts"
export { forking, isForeign, isSnapshot, makeSnapshots } from "./sandbox/snapshots.ts"
export { type WarmPoolOptions, warmPoolOptions } from "./sandbox/WarmPool.ts"
