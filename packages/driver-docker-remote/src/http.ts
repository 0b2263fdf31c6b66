/**
 * The Engine API over HTTP, for drivers that make calls that the `DockerEngine` port does not have: the swarm's. `connect`
 * finds an engine as `dockerRemote()` does, and gives the `EngineClient` of `@cordon/driver-docker/engine`.
 *
 * @module
 */
export { connect } from "./connection/connect.ts"
export { connectionOptions } from "./connection/connectionOptions.ts"
