/**
 * Calls of the Engine API that the `DockerEngine` port does not have, over the same connections.
 * It is for Cordon's own drivers and changes without notice; programs use the main entry.
 *
 * @module
 */
export { connect } from "./connection/connect.ts"
export { connectionOptions } from "./connection/connectionOptions.ts"
export type { EngineCall, EngineHttp } from "./http/EngineHttp.ts"
export { remoteEngine } from "./RemoteEngine.ts"
