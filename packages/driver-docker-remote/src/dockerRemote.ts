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

/**
 * Reaches an engine over TCP, with or without TLS, or through a local socket.
 *
 * @example
 * import { layerDriver } from "@cordon/driver-docker"
 * import { layerEngine } from "@cordon/driver-docker-remote"
 * import { Layer } from "effect"
 *
 * const driver = Layer.provide(layerDriver(), layerEngine({ host: "ssh://builder@engine-1" }))
 */
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
 *
 * @example
 * import { Sandboxes } from "@cordon/core"
 * import { layer } from "@cordon/driver-docker-remote"
 * import { Layer } from "effect"
 *
 * const driver = layer({ host: "tcp://engine-1:2376", tls: { directory: "/etc/cordon/certs" } })
 * const layerLive = Layer.provide(Sandboxes.layer(), driver)
 */
export const layer = (
  options: DockerRemoteOptions = {},
): Layer.Layer<SandboxDriver, EngineUnreachable | InvalidInput> => {
  checkInput("options of dockerRemote()", shape, options)
  return layerDriver(options).pipe(Layer.provide(layerEngine(options)))
}

/**
 * As {@link layer}, with options that come from `Config`: certificates out of a secret store, say.
 *
 * @example
 * import { layerConfig } from "@cordon/driver-docker-remote"
 * import { Config } from "effect"
 *
 * const driver = layerConfig({ host: Config.String("ENGINE_HOST") })
 */
export const layerConfig = (
  options: Config.Wrap<DockerRemoteOptions>,
): Layer.Layer<SandboxDriver, EngineUnreachable | InvalidInput | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/**
 * The driver for `createSandboxes({ driver: dockerRemote() })`; the same as {@link layer}.
 *
 * @example
 * import { createSandboxes } from "@cordon/core"
 * import { dockerRemote } from "@cordon/driver-docker-remote"
 *
 * const driver = dockerRemote({ host: "ssh://builder@engine-1" })
 * await using sandboxes = createSandboxes({ driver })
 */
export const dockerRemote = layer
