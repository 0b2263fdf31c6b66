/**
 * For another way to reach a Docker Engine: implement {@link EngineTransport}, and {@link dockerEngine} makes the
 * `DockerEngine` service of it, which `layerDriver` takes. Refusals become errors by {@link refusalIn}; the rest
 * reads what engines answer.
 *
 * @example
 * const layerEngine = Layer.succeed(DockerEngine, dockerEngine(engineClient(transport)))
 *
 * @module
 */

export { dockerEngine } from "./engine/calls.ts"
export {
  abortedAtEnd,
  type EngineCall,
  type EngineClient,
  type EngineTransport,
  engineClient,
  type Headers,
  pathOf,
} from "./engine/EngineClient.ts"
export { enforcedBy, whyNoLimits } from "./engine/enforcement.ts"
export { execConnection, writeTogether } from "./engine/execConnection.ts"
export { codeOf, isEngineError, parseJson, refusalIn, systemReasons } from "./engine/failures.ts"
export { messages } from "./engine/jsonLines.ts"
export { isPodman, networkOf } from "./engine/podman.ts"
/** What the drivers read of the engine's answers. */
export * as schemas from "./engine/schemas.ts"
export type { Operation } from "./engine/statusReasons.ts"
export { label } from "./Labels.ts"
export { registryAuthHeader } from "./registry/registryAuth.ts"
