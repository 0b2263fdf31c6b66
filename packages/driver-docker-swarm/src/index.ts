export { type DockerSwarmOptions, dockerSwarm, layer } from "./dockerSwarm.ts"
export { engineLabel } from "./NodeEngines.ts"
export { nodeRuntime } from "./sandbox/service.ts"
