import type { HostError, NetworkMode, QuotaExceeded } from "@cordon/core"
import { Clock, Effect } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { networkName } from "../names.ts"
import { createNetwork, removeNetwork } from "../network/networks.ts"
import type { Range } from "../network/subnets.ts"
import { undo } from "../sandbox/makeContainer.ts"

type Mode = Exclude<NetworkMode, "none">
interface Spare {
  readonly name: string
  readonly madeAt: number
}

// Well below the age from which a sweep removes a network without a container.
const mostAge = 8 * 60_000

/** Networks that wait for a sandbox. A network can't be renamed, so one that waits too long is replaced. */
export const makeNetworksAhead = (
  engine: DockerEngine["Service"],
  subnets: Range,
  wanted: number,
) => {
  const spares = new Map<Mode, Array<Spare>>()

  const make = Effect.fnUntraced(function* (mode: Mode) {
    const name = networkName()
    const madeAt = yield* Clock.currentTimeMillis
    yield* createNetwork(engine, subnets, name, mode, {})
    return { name, madeAt }
  })
  const destroy = ({ name }: Spare) => undo(`network ${name}`, removeNetwork(engine, name))

  return {
    /** The number of ready networks. */
    ready: (): number => [...spares.values()].reduce((sum, held) => sum + held.length, 0),

    /** Takes the name of a ready network, which now belongs to the caller; undefined if none is ready. */
    take: (mode: NetworkMode): string | undefined =>
      mode === "none" ? undefined : spares.get(mode)?.shift()?.name,

    /** Holds some networks of this mode ready from now on. */
    want: (mode: NetworkMode): void => {
      if (mode !== "none" && wanted > 0 && !spares.has(mode)) spares.set(mode, [])
    },

    /** Replaces networks that are too old, and makes missing ones. */
    replenish: Effect.suspend(() =>
      Effect.forEach(
        spares,
        Effect.fnUntraced(function* ([mode, held]): Effect.fn.Return<
          void,
          HostError | QuotaExceeded
        > {
          const now = yield* Clock.currentTimeMillis
          const old = held.filter(({ madeAt }) => now - madeAt > mostAge)
          spares.set(
            mode,
            held.filter((spare) => !old.includes(spare)),
          )
          yield* Effect.forEach(old, destroy, { discard: true })
          while ((spares.get(mode)?.length ?? wanted) < wanted) {
            yield* Effect.uninterruptible(
              Effect.map(make(mode), (spare) => spares.get(mode)?.push(spare)),
            )
          }
        }),
        { discard: true },
      ),
    ),

    drain: (moved: Effect.Effect<void>) =>
      Effect.suspend(() => {
        const all = [...spares.values()].flat()
        spares.clear()
        return Effect.forEach(all, (spare) => Effect.andThen(destroy(spare), moved), {
          concurrency: 4,
          discard: true,
        })
      }),
  }
}
export type NetworksAhead = ReturnType<typeof makeNetworksAhead>
