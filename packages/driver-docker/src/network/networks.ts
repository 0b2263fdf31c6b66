import type { HostError, NetworkMode, QuotaExceeded } from "@cordon/core"
import { Effect, Random, Schedule } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "../engine/failures.ts"
import { label } from "../Labels.ts"
import { proxyName } from "../names.ts"
import { freeSubnets, noSubnetLeft, type Range, subnetsOf } from "./subnets.ts"

type Engine = DockerEngine["Service"]

// Each refusal means that another process took the subnet between our lookup and our request.
const mostAttempts = 64

/**
 * Makes a sandbox's own network on a free subnet. If several processes compete for a subnet, the
 * engine refuses all but one.
 */
export const createNetwork = Effect.fnUntraced(function* (
  engine: Engine,
  pool: Range,
  name: string,
  /** `proxied`: only the proxy on the same network leads outside. */
  mode: NetworkMode | "proxied",
  labels: Readonly<Record<string, string>>,
): Effect.fn.Return<string, HostError | QuotaExceeded> {
  const internal = mode !== "bridge"
  const used = subnetsOf(yield* engine.networkList())
  let attempts = 0
  for (const Subnet of freeSubnets(pool, used, yield* Random.next)) {
    if (++attempts > mostAttempts) break
    const made = yield* engine
      .networkCreate({
        Name: name,
        Driver: "bridge",
        Internal: internal,
        CheckDuplicate: true,
        Labels: { ...labels, [label.version]: "1" },
        Options: {
          "com.docker.network.bridge.enable_icc": mode === "proxied" ? "true" : "false",
          // Podman's networks can reach each other without this option; Docker's never can.
          isolate: "true",
          // A sandbox without outside access must not reach the host either: so the bridge gets no
          // address, through which it could reach everything that listens on all of the host's
          // addresses.
          ...(internal ? { "com.docker.network.bridge.inhibit_ipv4": "true" } : {}),
        },
        IPAM: { Config: [{ Subnet }] },
      })
      .pipe(
        Effect.as(true),
        Effect.catchReason("EngineError", "SubnetTaken", () => Effect.succeed(false)),
      )
    if (made) return Subnet
  }
  return yield* noSubnetLeft(pool)
})

const settling = Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(50)])

/** Removes a network with its proxy. No effect if it is gone. */
export const removeNetwork = (engine: Engine, name: string): Effect.Effect<void, HostError> =>
  engine.networkRemove(name).pipe(
    Effect.tapError((error) =>
      isEngineError("InUse")(error)
        ? Effect.ignore(engine.containerRemove(proxyName(name)))
        : Effect.void,
    ),
    // Just after the removal of its container, the engine may still count the endpoint.
    Effect.retry({ schedule: settling, while: isEngineError("InUse") }),
    Effect.catchReason("EngineError", "NotFound", () => Effect.void),
    // A stopped proxy does not block the removal of the network. It is removed last, since the
    // network may be in use after all.
    Effect.andThen(removeProxy(engine, name)),
  )

/** Removes the proxy of a network. No effect if it is gone. */
export const removeProxy = (engine: Engine, network: string): Effect.Effect<void, HostError> =>
  engine
    .containerRemove(proxyName(network))
    .pipe(Effect.catchIf(isEngineError("NotFound", "InProgress", "Conflict"), () => Effect.void))
