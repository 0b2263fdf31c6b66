import { HoldsProcess } from "@cordon/core"
import { Effect, Layer } from "effect"
import { DockerEngine } from "./DockerEngine.ts"
import { dockerEngine } from "./engine/calls.ts"
import { engineClient } from "./engine/EngineClient.ts"

/**
 * Reaches an engine through a local socket, with dockerode.
 *
 * @param patience milliseconds that it has to answer a call
 * @example
 * import { DockerEngine, localEngine } from "@cordon/driver-docker"
 *
 * const engine = yield* DockerEngine.pipe(Effect.provide(localEngine("/var/run/docker.sock")))
 */
export const localEngine = (socketPath: string, patience = 120_000): Layer.Layer<DockerEngine> =>
  Layer.effect(
    DockerEngine,
    Effect.gen(function* () {
      const holds = yield* HoldsProcess
      // dockerode takes as long to load as the rest of this package, so it is loaded on the first
      // connection.
      const { socketClient } = yield* Effect.promise(() => import("./engine/socketClient.ts"))
      return dockerEngine(engineClient(socketClient(socketPath, patience, holds)))
    }),
  )
