import {
  EngineError,
  type HostError,
  type QuotaExceeded,
  type SandboxId,
  type SandboxSpec,
} from "@cordon/core"
import { isEngineError } from "@cordon/driver-docker/engine"
import {
  freeSubnets,
  label,
  noSubnetLeft,
  type Range,
  subnetsOf,
} from "@cordon/driver-docker/sandbox"
import { Effect, Random, Schedule } from "effect"
import type { Manager } from "../manager/Manager.ts"
import { attemptLabel } from "./service.ts"

/**
 * On our overlay networks, with the ID of the sandbox: not the label that sandboxes' networks on one
 * engine have.
 */
export const networkLabel = "dev.cordon.swarm"

// Each failure means that another process made a network between our check and our request.
const mostAttempts = 64
const allotting = Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(600)])

/** A new name for each creation, so that an unfinished removal does not block a name. */
const nameOf = (attempt: string) => `cordon-${attempt}`

/**
 * Makes the sandbox's own overlay network on a free subnet. The managers accept every request and
 * allocate addresses later, one network after the other. A network whose subnet overlaps gets none.
 *
 * @returns the network's name
 */
export const createNetwork = Effect.fnUntraced(function* (
  manager: Manager,
  pool: Range,
  sandbox: SandboxId,
  mode: SandboxSpec["network"],
  attempt: string,
): Effect.fn.Return<string, HostError | QuotaExceeded> {
  const name = nameOf(attempt)
  const used = Effect.map(manager.networkList({}), (networks) =>
    subnetsOf(networks.filter(({ Name }) => Name !== name)),
  )
  let attempts = 0
  for (const Subnet of freeSubnets(pool, yield* used, yield* Random.next)) {
    if (++attempts > mostAttempts) break
    // If interrupted, the request could arrive after the request that undoes it.
    const id = yield* Effect.uninterruptible(
      manager.networkCreate({
        Name: name,
        Driver: "overlay",
        CheckDuplicate: true,
        Internal: mode === "internal",
        Attachable: false,
        Labels: { [networkLabel]: sandbox, [label.version]: "1", [attemptLabel]: attempt },
        IPAM: { Config: [{ Subnet }] },
      }),
    ).pipe(
      // It is ours: made by a call whose answer got lost.
      Effect.catchReason("EngineError", "NameTaken", (_, taken) =>
        Effect.flatMap(manager.networkInspect(name), ({ Id, Labels }) =>
          Labels?.[attemptLabel] === attempt ? Effect.succeed(Id) : Effect.fail(taken),
        ),
      ),
    )
    const allotted = yield* manager.networkInspect(id).pipe(
      Effect.flatMap(({ Driver }) =>
        Driver !== ""
          ? Effect.succeed(true)
          : // Failed if another network has the addresses; otherwise the managers are not that far yet.
            Effect.map(used, (others) =>
              [...freeSubnets(pool, others, 0)].includes(Subnet) ? undefined : false,
            ),
      ),
      Effect.repeat({ schedule: allotting, until: (decided) => decided !== undefined }),
    )
    if (allotted) return name
    yield* removeNetwork(manager, id)
    if (allotted === undefined) {
      return yield* EngineError.notDone(
        "create a network",
        "the managers gave it no addresses within 30 s",
      )
    }
  }
  return yield* noSubnetLeft(pool)
})

const settling = Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(100)])

/** Removes a network; one that is gone is as good. */
export const removeNetwork = (manager: Manager, id: string): Effect.Effect<void, HostError> =>
  manager.networkRemove(id).pipe(
    // Just after the removal of its service, a task may still use the network.
    Effect.retry({
      schedule: settling,
      while: isEngineError("InUse"),
    }),
    Effect.catchReason("EngineError", "NotFound", () => Effect.void),
  )
