import {
  checkInput,
  type EngineUnreachable,
  type InvalidInput,
  optionNames,
  type SandboxDriver,
} from "@cordon/core"
import { type DockerDriverOptions, DockerEngine, layerDriver } from "@cordon/driver-docker"
import { dockerEngine } from "@cordon/driver-docker/engine"
import { driverOptions } from "@cordon/driver-docker/sandbox"
import { Config, Effect, Layer } from "effect"
import { type ConnectionOptions, connect } from "./connection/connect.ts"
import { connectionOptions } from "./connection/connectionOptions.ts"

export interface DockerRemoteOptions extends ConnectionOptions, DockerDriverOptions {}

/** Reaches an engine over TCP, with or without TLS, or through a local socket. */
export const layerEngine = (
  options: ConnectionOptions = {},
): Layer.Layer<DockerEngine, EngineUnreachable | InvalidInput> =>
  Layer.effect(DockerEngine, Effect.map(connect(options), dockerEngine))

const shape = optionNames<DockerRemoteOptions>({ ...driverOptions, ...connectionOptions })

/**
 * Sandboxes on a Docker Engine over the network: `tcp://`, `http://`, `https://`, with mutual TLS.
 *
 * The engine is found in this order: `host`, `CONTAINER_SANDBOX_DOCKER_HOST`, `DOCKER_HOST`, the
 * current docker context (with its certificates), the well-known sockets.
 */
export const layer = (
  options: DockerRemoteOptions = {},
): Layer.Layer<SandboxDriver, EngineUnreachable | InvalidInput> => {
  checkInput("options of dockerRemote()", shape, options)
  return layerDriver(options).pipe(Layer.provide(layerEngine(options)))
}

/** As {@link layer}, with options that come from `Config`: certificates out of a secret store, say. */
export const layerConfig = (
  options: Config.Wrap<DockerRemoteOptions>,
): Layer.Layer<SandboxDriver, EngineUnreachable | InvalidInput | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/** The driver for `createSandboxes({ driver: dockerRemote() })`; the same as {@link layer}. */
export const dockerRemote = layer
