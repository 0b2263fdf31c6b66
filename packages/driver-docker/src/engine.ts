/**
 * What other ways to reach a Docker Engine share with this package. It is for Cordon's own drivers
 * and changes without notice; programs use the package's main entry.
 *
 * @module
 */

export { bounded } from "./engine/bounded.ts"
export { enforcedBy, whyNoLimits } from "./engine/enforcement.ts"
export { execConnection, writeTogether } from "./engine/execConnection.ts"
export { execSpec } from "./engine/execSpec.ts"
export { codeOf, isEngineError, parseJson, refusalIn, systemReasons } from "./engine/failures.ts"
export { messages } from "./engine/jsonLines.ts"
export { orMissing, pathStatHeader, readPathStat } from "./engine/pathStat.ts"
export { isPodman, networkOf } from "./engine/podman.ts"
/** What the drivers read of the engine's answers. */
export * as schemas from "./engine/schemas.ts"
export type { Operation } from "./engine/statusReasons.ts"
export { label } from "./Labels.ts"
export { registryAuthHeader } from "./registry/registryAuth.ts"
