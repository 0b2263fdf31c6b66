// Imported for its check, which reports a Node that is too old.
import "@cordon/core"

export {
  type DockerSwarmOptions,
  dockerSwarm,
  layer,
  type SwarmPoolOptions,
} from "./dockerSwarm.ts"
export { engineLabel } from "./NodeEngines.ts"
export { nodeRuntime } from "./sandbox/service.ts"
