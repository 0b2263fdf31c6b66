import { HoldsProcess } from "@cordon/core"
import { Effect, Layer } from "effect"
import type { DockerEngine } from "./DockerEngine.ts"

/**
 * Reaches an engine through a local socket, with dockerode.
 *
 * @param patience milliseconds that it has to answer a call
 */
export const localEngine = (socketPath: string, patience = 120_000): Layer.Layer<DockerEngine> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const holds = yield* HoldsProcess
      // dockerode takes as long to load as the rest of this package. Only a program that connects loads it.
      const { socketEngine } = yield* Effect.promise(() => import("./engine/socketEngine.ts"))
      return socketEngine(socketPath, patience, holds)
    }),
  )
