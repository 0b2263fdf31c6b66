import type { Runtime } from "@cordon/core"
import { Duration, Effect, Exit } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { isPodman } from "../engine/podman.ts"
import { checkHostId, makeHostId } from "../hostId.ts"
import { defaultRuntimeNames, runtimesOf } from "../Runtimes.ts"

/** A driver's engine, and the engine's description of itself. */
export const makeHost = Effect.fnUntraced(function* (
  engine: DockerEngine["Service"],
  options: {
    readonly hostId?: string
    readonly runtimeNames?: Partial<Record<Runtime, string>>
  },
) {
  yield* checkHostId(options.hostId)
  const info = yield* Effect.cachedWithTTL(engine.info, (exit) =>
    Exit.isSuccess(exit) ? Duration.minutes(1) : 0,
  )
  const names = Object.fromEntries(
    Object.entries(options.runtimeNames ?? {}).map(([runtime, name]) => [runtime, [name]]),
  )
  const own = yield* makeHostId(engine)
  return {
    engine,
    /** Requested at most once a minute. */
    info,
    podman: Effect.map(info, isPodman),
    hostId: options.hostId === undefined ? own : Effect.succeed(options.hostId),
    /** The available runtimes with the engine's names for them. */
    runtimes: Effect.map(info, (host) => runtimesOf(host, { ...defaultRuntimeNames, ...names })),
  }
})
export type Host = Effect.Success<ReturnType<typeof makeHost>>
