import {
  type HostError,
  InvalidInput,
  type SandboxId,
  SandboxNameTaken,
  type SandboxSpec,
} from "@cordon/core"
import { Config, Effect, Option, Schema } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { networkOf } from "../engine/podman.ts"
import type { ContainerInspect, ImageInspect } from "../engine/schemas.ts"
import { labelsAhead } from "../Labels.ts"
import { removeNetwork } from "../network/networks.ts"
import { identityOf } from "../sandbox/containerSpec.ts"
import { type Create, undo } from "../sandbox/makeContainer.ts"
import { isNetworkName, nameAhead, nobody } from "../sandbox/names.ts"
import { makeKindPool, type Shelf } from "./kindPool.ts"
import type { NetworksAhead } from "./networksAhead.ts"
import { makeReadyCount } from "./poolMetrics.ts"

type Engine = DockerEngine["Service"]

const count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100 })))

/** What is made before it is asked for. Each part costs the host's memory while it waits. */
export interface WarmPoolOptions {
  /** Started containers that are held ready for each kind of sandbox that was asked for: 2. */
  readonly size?: number
  /** How many kinds are held ready, those asked for last: 4. */
  readonly kinds?: number
  /** Networks that are held ready for sandboxes that no ready container fits: 2. */
  readonly networks?: number
}

const WarmPoolSettings = Schema.Struct({
  size: Schema.optionalKey(count),
  kinds: Schema.optionalKey(count),
  networks: Schema.optionalKey(count),
})
const isWarmPoolSettings = Schema.decodeUnknownEffect(WarmPoolSettings)

/** What was asked for in a program or its environment; undefined where that is no pool. */
export const warmPoolOptions = Effect.fnUntraced(
  function* (option: number | WarmPoolOptions | undefined) {
    const setting = Config.option(Config.Int("CONTAINER_SANDBOX_WARM_POOL"))
    const asked = option ?? Option.getOrElse(yield* setting, () => 0)
    const options =
      typeof asked === "number" ? { size: asked, ...(asked === 0 ? { networks: 0 } : {}) } : asked
    const checked = yield* isWarmPoolSettings(options)
    return checked.size === 0 && checked.networks === 0 ? undefined : checked
  },
  Effect.mapError(
    (error: { readonly message: string }) =>
      new InvalidInput({ subject: "warm pool", issue: error.message }),
  ),
)

/** All that a sandbox is, but for whose it is. */
export interface Kind {
  readonly spec: Omit<SandboxSpec, "name">
  /** What the daemon calls the runtime. */
  readonly runtime: string
  readonly image: ImageInspect
  /** Bytes; see `Creation`. */
  readonly disk?: number | undefined
}

interface Ready {
  /** It tells since when somebody holds it, so that every process can tell what a dead one left. */
  readonly name: string
  /** As it was made. */
  readonly container: ContainerInspect
}

/**
 * A container's environment and labels can't be changed any more: the environment must be the image's and name
 * no proxy, and there must be no tags, which are labels.
 */
const fits = ({ spec }: Kind) =>
  Object.keys(spec.env).length === 0 && spec.egress === undefined && spec.tags === undefined

const keyOf = ({ spec, runtime, image }: Kind) => {
  const { limits, network, lease, workdir, user } = spec
  return JSON.stringify([image.Id, spec.image, runtime, limits, network, lease, workdir, user])
}

/** Removes a container that waits, with its network; nothing where it is somebody's by now. */
export const removeAhead = Effect.fnUntraced(function* (
  engine: Engine,
  name: string,
  network: string | null | undefined,
) {
  // By its name, which it loses when it becomes somebody's.
  yield* undo(`container ${name}`, engine.containerRemove(name))
  const gone = yield* Effect.result(engine.containerInspect(name))
  if (gone._tag === "Failure" && isNetworkName(network)) {
    yield* undo(`network ${network}`, removeNetwork(engine, network))
  }
})

/**
 * Holds started containers for the kinds of sandbox that were asked for, until its scope ends.
 *
 * A container becomes a session's by one rename, which the engine does wholly or not at all: before
 * it the container is nobody's, after it every process reads the same owner from the name.
 */
export const makeWarmPool = Effect.fnUntraced(function* (
  engine: Engine,
  create: Create,
  networks: NetworksAhead,
  isConnected: (instanceId: string) => boolean,
  options: WarmPoolOptions,
) {
  const shelf: Shelf<Kind, Ready> = {
    keyOf: (kind) => (fits(kind) ? keyOf(kind) : undefined),
    make: Effect.fnUntraced(function* (kind, now) {
      const { spec, image } = kind
      const name = nameAhead(now)
      const labels = labelsAhead(spec, identityOf(spec, image))
      const container = yield* create({ ...kind, name, id: nobody, labels, networkLabels: {} })
      return { name, container }
    }),
    renew: (ready, now) => {
      const name = nameAhead(now)
      return Effect.as(engine.containerRename(ready.name, name), { ...ready, name })
    },
    destroy: ({ name, container }) => removeAhead(engine, name, networkOf(container)),
  }
  const pool = yield* makeKindPool(shelf, options, {
    count: makeReadyCount("network", networks.ready),
    replenish: Effect.catch(networks.replenish, (error) =>
      Effect.logWarning("Could not make a network ahead", { error: error.message }),
    ),
    drain: networks.drain,
  })

  /** From now on some of this kind are held ready; the one asked for longest ago gives way. */
  const want = (kind: Kind) => {
    if (kind.spec.egress === undefined) networks.want(kind.spec.network)
    return pool.want(kind)
  }

  const take = (id: SandboxId, containerName: string, name: string) =>
    Effect.fnUntraced(function* (
      { name: waiting, container: made }: Ready,
      keep: Effect.Effect<void>,
    ): Effect.fn.Return<Option.Option<ContainerInspect>, HostError | SandboxNameTaken> {
      const renamed = yield* engine.containerRename(waiting, containerName).pipe(
        Effect.as(true),
        Effect.catchReason("EngineError", "NotFound", () => Effect.succeed(false)),
        // It keeps its name, and waits on.
        Effect.tapError(() => keep),
        Effect.catchReason("EngineError", "NameTaken", () =>
          Effect.fail(new SandboxNameTaken({ sandbox: name })),
        ),
      )
      if (!renamed) return Option.none()
      // The connection shows that it runs: asking the engine would tell nothing new.
      if (isConnected(made.Id)) return Option.some({ ...made, Name: `/${containerName}` })
      const container = yield* engine.containerInspect(made.Id)
      if (container.State.Running) return Option.some(container)
      // It died while it waited (an engine that was started anew, perhaps).
      yield* undo(`container ${id}`, engine.containerRemove(container.Id))
      const network = networkOf(container)
      if (isNetworkName(network)) {
        yield* undo(`network ${network}`, removeNetwork(engine, network))
      }
      return Option.none()
    })

  /** Gives a ready container to a session; none where none is ready. Not to be interrupted. */
  const claim = (kind: Kind, id: SandboxId, containerName: string, name: string) =>
    pool.claim(kind, take(id, containerName, name))

  return { claim, want }
})
/** What `makeWarmPool` gives. */
export type WarmPool = Effect.Success<ReturnType<typeof makeWarmPool>>
