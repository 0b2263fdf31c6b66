// Imported for its check, which reports a Node that is too old.
import "@cordon/core"

export { type DockerDriverOptions, layerDriver } from "./DockerDriver.ts"
export type { ContainerSpec, ExecConnection, Filters, NetworkSpec } from "./DockerEngine.ts"
export { DockerEngine } from "./DockerEngine.ts"
export { type DockerOptions, docker, layer } from "./docker.ts"
export { type Endpoint, findEndpoint } from "./endpoint/Endpoint.ts"
export type { PathStat } from "./engine/pathStat.ts"
export { localEngine } from "./LocalEngine.ts"
export type { EgressOptions } from "./network/egress.ts"
export type { WarmPoolOptions } from "./warm/WarmPool.ts"
