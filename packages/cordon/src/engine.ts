import type { EngineUnreachable, InvalidInput, SandboxDriver } from "@cordon/core"
import { docker, findEndpoint } from "@cordon/driver-docker"
import { Effect, Layer } from "effect"

const overNetwork = /^(?:tcp|https?|ssh):\/\//

/** The same engine that the `cordon` command finds. The code for remote engines is loaded only if needed. */
export const engine: Layer.Layer<SandboxDriver, EngineUnreachable | InvalidInput> = Layer.unwrap(
  Effect.gen(function* () {
    const { host } = yield* findEndpoint()
    if (!overNetwork.test(host)) return docker({ host })
    const { dockerRemote } = yield* Effect.promise(() => import("@cordon/driver-docker-remote"))
    // This searches again, for the host's certificates.
    return dockerRemote()
  }),
)
