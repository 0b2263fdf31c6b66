import {
  checkInput,
  type EngineUnreachable,
  type InvalidInput,
  optionNames,
  type SandboxDriver,
} from "@cordon/core"
import { Effect, Layer } from "effect"
import { type DockerDriverOptions, layerDriver } from "./DockerDriver.ts"
import { driverOptions } from "./driverOptions.ts"
import { findEndpoint, socketPathOf } from "./endpoint/Endpoint.ts"
import { localEngine } from "./LocalEngine.ts"

export interface DockerOptions extends DockerDriverOptions {
  /**
   * The engine's address, such as `unix:///var/run/docker.sock`. Default: searched for, as
   * described at `layer`.
   */
  readonly host?: string | undefined
}

const shape = optionNames<DockerOptions>({ ...driverOptions, host: true })

/**
 * Sandboxes on a Docker Engine behind a local socket.
 *
 * The engine is found in this order: `host`, `CONTAINER_SANDBOX_DOCKER_HOST`, `DOCKER_HOST`, the
 * current docker context, the well-known sockets.
 *
 * @example
 * import { Sandboxes } from "@cordon/core"
 * import { layer } from "@cordon/driver-docker"
 * import { Layer } from "effect"
 *
 * const layerLive = Layer.provide(Sandboxes.layer(), layer({ warmPool: 2 }))
 */
export const layer = (
  options: DockerOptions = {},
): Layer.Layer<SandboxDriver, EngineUnreachable | InvalidInput> => {
  checkInput("options of docker()", shape, options)
  const engine = Layer.unwrap(
    Effect.gen(function* () {
      const endpoint = yield* findEndpoint(options.host)
      return localEngine(yield* socketPathOf(endpoint))
    }),
  )
  return layerDriver(options).pipe(Layer.provide(engine))
}

/**
 * The driver for `createSandboxes({ driver: docker() })`; the same as {@link layer}.
 *
 * @example
 * import { createSandboxes } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 *
 * await using sandboxes = createSandboxes({ driver: docker({ warmPool: 2 }) })
 */
export const docker = layer
