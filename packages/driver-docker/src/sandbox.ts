/**
 * The parts of a Docker sandbox, for a driver whose containers are not placed by one engine, but as
 * tasks of a swarm, for example. `docs/drivers.md` shows how they fit together.
 *
 * @module
 */

// Operations in a container after it was found.
export {
  type Containers,
  type ContainersOptions,
  makeContainers,
} from "./container/Containers.ts"
// How a container is made.
export { becomesInit } from "./container/connections.ts"
export { initPath } from "./container/initArchive.ts"
export { type Locator, makeLocator, type Whereabouts } from "./container/locator.ts"
export { type ContainerMembers, containerMembers } from "./container/members.ts"
export { removalSeconds } from "./container/removal.ts"
export type { Target } from "./container/Target.ts"
// Shared by all Docker drivers: their options, and their description of an engine.
export { driverOptions } from "./driverOptions.ts"
export { defaultPids } from "./engine/capacity.ts"
export { checkHostId } from "./hostId.ts"
export { infoOf, label, labelsAhead, labelsOf, tagFilter } from "./Labels.ts"
// The choice of a network's subnet.
export {
  capacityOf,
  freeSubnets,
  noSubnetLeft,
  parsePool,
  type Range,
  subnetsOf,
} from "./network/subnets.ts"
export { defaultRuntimeNames, runtimesOf } from "./Runtimes.ts"
// Images, and the rights to them.
export { makeImageRights } from "./registry/ImageRights.ts"
export { pullFailure } from "./registry/pullFailure.ts"
export { type RegistryAuth, registryAuth } from "./registry/registryAuth.ts"
export type { Abandoned, AbandonedSandbox } from "./sandbox/abandoned.ts"
// Things made ahead, and things that a dead program leaves.
export { makeBackground } from "./sandbox/background.ts"
export { containerSpec, identityOf } from "./sandbox/containerSpec.ts"
export { isForeign, isSnapshot, makeSnapshots } from "./sandbox/snapshots.ts"
export { findAbandoned, findAbandonedSandboxes } from "./sandbox/sweep.ts"
export { makeKindPool, type Shelf } from "./warm/kindPool.ts"
export { type WarmPoolOptions, warmPoolOptions } from "./warm/WarmPool.ts"
