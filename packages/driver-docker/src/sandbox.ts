/**
 * What a Docker sandbox is, for drivers that place its container otherwise than on one engine.
 * Internal to Cordon's own packages: it changes without notice.
 */
export { driverOptions } from "./driverOptions.ts"
export { defaultPids } from "./engine/capacity.ts"
export { checkHostId } from "./hostId.ts"
export { infoOf, label, labelsOf } from "./Labels.ts"
export { defaultRuntimeNames } from "./Runtimes.ts"
export { capacityOf, freeSubnets, parsePool, type Range } from "./Subnets.ts"
export { containerSpec, identityOf } from "./sandbox/container.ts"
export { isEngineError, undo } from "./sandbox/creation.ts"
export { type EventHub, makeEventHub } from "./sandbox/events.ts"
export { makeExec, type Target } from "./sandbox/exec.ts"
export { makeFiles } from "./sandbox/files.ts"
export { makeLanguages } from "./sandbox/language.ts"
export { pullFailure } from "./sandbox/pullFailure.ts"
export { isForeign } from "./sandbox/snapshots.ts"
export { makeTerminal } from "./sandbox/terminal.ts"
