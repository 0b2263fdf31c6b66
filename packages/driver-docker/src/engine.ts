/**
 * For another way to reach a Docker Engine: implement {@link EngineTransport}, and {@link
 * dockerEngine} makes the `DockerEngine` service of it, which `layerDriver` takes. {@link
 * refusalIn} turns a refusal into an error; the other exports read the answers of engines.
 *
 * @example
 * import { DockerEngine } from "@cordon/driver-docker"
 * import { dockerEngine, type EngineTransport, engineClient } from "@cordon/driver-docker/engine"
 * import { Layer } from "effect"
 *
 * const layerEngine = (transport: EngineTransport) =>
 *   Layer.succeed(DockerEngine, dockerEngine(engineClient(transport)))
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
/** The parts of the engine's answers that the drivers read. */
export * as schemas from "./engine/schemas.ts"
export type { Operation } from "./engine/statusReasons.ts"
export { registryAuthHeader } from "./registry/registryAuth.ts"
