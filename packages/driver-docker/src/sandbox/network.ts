import {
  type HostError,
  QuotaExceeded,
  type SandboxId,
  type SandboxSpec,
  type SessionKey,
} from "@cordon/core"
import { Effect, Random, Schedule } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { label } from "../Labels.ts"
import { capacityOf, freeSubnets, type Range } from "../Subnets.ts"

type Engine = DockerEngine["Service"]

// Each refusal is another process's network that came between our look and our request.
const mostAttempts = 64

/** Makes the sandbox's own network on a free subnet; the engine's refusal decides every race. */
export const createNetwork = Effect.fnUntraced(function* (
  engine: Engine,
  pool: Range,
  id: SandboxId,
  session: SessionKey,
  spec: SandboxSpec,
): Effect.fn.Return<string, HostError | QuotaExceeded> {
  const internal = spec.network === "internal"
  const existing = yield* engine.networkList()
  const used = existing.flatMap((network) =>
    (network.IPAM?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? []),
  )
  let attempts = 0
  for (const Subnet of freeSubnets(pool, used, yield* Random.next)) {
    if (++attempts > mostAttempts) break
    const made = yield* engine
      .networkCreate({
        Name: id,
        Driver: "bridge",
        Internal: internal,
        CheckDuplicate: true,
        Labels: { [label.id]: id, [label.session]: session, [label.version]: "1" },
        Options: {
          "com.docker.network.bridge.enable_icc": "false",
          // Without a way out there is none to the host either: the bridge gets no address, by
          // which everything that listens on all of the host's addresses could be reached.
          ...(internal ? { "com.docker.network.bridge.inhibit_ipv4": "true" } : {}),
        },
        IPAM: { Config: [{ Subnet }] },
      })
      .pipe(
        Effect.catchIf(
          (error) =>
            error._tag === "EngineError" &&
            /overlap|in use|conflicts with/i.test(error.detail) &&
            !/already exists/i.test(error.detail),
          () => Effect.succeed(undefined),
        ),
      )
    if (made !== undefined) return made
  }
  return yield* new QuotaExceeded({
    resource: "sandbox networks (subnets of the driver's pool)",
    limit: capacityOf(pool),
  })
})

const settling = Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(50)])

/** Removes a network; one that is gone is as good. */
export const removeNetwork = (engine: Engine, id: string): Effect.Effect<void, HostError> =>
  engine.networkRemove(id).pipe(
    // Just after its container's removal the engine may still count the endpoint.
    Effect.retry({
      schedule: settling,
      while: (error) => error._tag === "EngineError" && /active endpoints/i.test(error.detail),
    }),
    Effect.catchIf(
      (error) => error._tag === "EngineError" && error.status === 404,
      () => Effect.void,
    ),
  )

/** Removes every network of a sandbox: names are not unique among networks, labels decide. */
export const removeNetworksOf = Effect.fnUntraced(function* (engine: Engine, id: SandboxId) {
  const networks = yield* engine.networkList({ label: [`${label.id}=${id}`] })
  yield* Effect.forEach(networks, (network) => removeNetwork(engine, network.Id), {
    discard: true,
  })
})
