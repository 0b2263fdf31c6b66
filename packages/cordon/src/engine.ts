import type { EngineUnreachable, InvalidInput, SandboxDriver } from "@cordon/core"
import { docker, findEndpoint } from "@cordon/driver-docker"
import { Effect, Layer } from "effect"

const overNetwork = /^(?:tcp|https?|ssh):\/\//

/** The engine that the `cordon` command finds too. What reaches others than local ones is loaded for those only. */
export const engine: Layer.Layer<SandboxDriver, EngineUnreachable | InvalidInput> = Layer.unwrap(
  Effect.gen(function* () {
    const { host } = yield* findEndpoint()
    if (!overNetwork.test(host)) return docker({ host })
    const { dockerRemote } = yield* Effect.promise(() => import("@cordon/driver-docker-remote"))
    // It looks again, for the certificates that belong to the host.
    return dockerRemote()
  }),
)
