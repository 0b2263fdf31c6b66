/**
 * What a Docker sandbox is, for drivers that place its container otherwise than on one engine.
 * Internal to Cordon's own packages: it changes without notice.
 */
export { type Containers, makeContainers } from "./container/Containers.ts"
export { becomesInit, type Connections } from "./container/connections.ts"
export { initPath } from "./container/initArchive.ts"
export { type Locator, makeLocator } from "./container/locator.ts"
export { containerMembers } from "./container/members.ts"
export { forgetProcesses } from "./container/processes.ts"
export { removalSeconds } from "./container/removal.ts"
export type { Target } from "./container/Target.ts"
export { isIdle } from "./container/usage.ts"
export { driverOptions } from "./driverOptions.ts"
export { defaultPids } from "./engine/capacity.ts"
export { isEngineError } from "./engine/failures.ts"
export { checkHostId } from "./hostId.ts"
export { infoOf, label, labelsAhead, labelsOf, tagFilter } from "./Labels.ts"
export { defaultRuntimeNames, runtimesOf } from "./Runtimes.ts"
export { makeImageRights } from "./registry/ImageRights.ts"
export { type RegistryAuth, registryAuth } from "./registry/registryAuth.ts"
export { capacityOf, freeSubnets, parsePool, type Range } from "./Subnets.ts"
export {
  type Abandoned,
  type AbandonedSandbox,
  abandonedSandboxes,
} from "./sandbox/abandoned.ts"
export { makeBackground } from "./sandbox/background.ts"
export { containerSpec, identityOf } from "./sandbox/container.ts"
export { makeKindPool, type Shelf } from "./sandbox/kindPool.ts"
export { makeReadyCount } from "./sandbox/poolMetrics.ts"
export { pullFailure } from "./sandbox/pullFailure.ts"
export { isForeign, isSnapshot, makeSnapshots } from "./sandbox/snapshots.ts"
export { engineTime, findAbandoned } from "./sandbox/sweep.ts"
export { type WarmPoolOptions, warmPoolOptions } from "./sandbox/WarmPool.ts"
