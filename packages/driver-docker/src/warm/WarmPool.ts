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
import { isNetworkName, nameAhead, nobody } from "../names.ts"
import { removeNetwork } from "../network/networks.ts"
import { identityOf } from "../sandbox/containerSpec.ts"
import { type Create, undo } from "../sandbox/makeContainer.ts"
import { makeKindPool, type Shelf } from "./kindPool.ts"
import type { NetworksAhead } from "./networksAhead.ts"
import { makeReadyCount } from "./poolMetrics.ts"

type Engine = DockerEngine["Service"]

const count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100 })))

/** Options of the warm pool. Each waiting container costs memory on the host. */
export interface WarmPoolOptions {
  /** The number of started containers that are held ready for each requested kind of sandbox. Default: 2. */
  readonly size?: number | undefined
  /** The number of kinds that are held ready, the most recently requested ones. Default: 4. */
  readonly kinds?: number | undefined
  /** The number of networks that are held ready, for sandboxes without a fitting container. Default: 2. */
  readonly networks?: number | undefined
}

const WarmPoolSettings = Schema.Struct({
  size: Schema.optional(count),
  kinds: Schema.optional(count),
  networks: Schema.optional(count),
})
const isWarmPoolSettings = Schema.decodeUnknownEffect(WarmPoolSettings)

/** The options from the program, else from the environment; undefined for no pool. */
export const warmPoolOptions = Effect.fnUntraced(
  function* (option: number | WarmPoolOptions | undefined) {
    const setting = Config.option(Config.Int("CONTAINER_SANDBOX_WARM_POOL"))
    const asked = option ?? Option.getOrElse(yield* setting, () => 0)
    const options =
      typeof asked === "number" ? { size: asked, networks: asked === 0 ? 0 : undefined } : asked
    const checked = yield* isWarmPoolSettings(options)
    return checked.size === 0 && checked.networks === 0 ? undefined : checked
  },
  Effect.mapError(
    (error: { readonly message: string }) =>
      new InvalidInput({ subject: "warm pool", issue: error.message }),
  ),
)

/** All properties of a sandbox except its owner. */
export interface Kind {
  readonly spec: Omit<SandboxSpec, "name">
  /** The daemon's name of the runtime. */
  readonly runtime: string
  readonly image: ImageInspect
  /** The disk limit in bytes; see `Creation`. */
  readonly disk?: number | undefined
}

interface Ready {
  /**
   * The name holds the time of its last renewal, so that every process can recognise what a dead
   * process left.
   */
  readonly name: string
  /** As it was made. */
  readonly container: ContainerInspect
}

/**
 * Whether a container can be made ahead. Its environment and labels can't be changed later, so the
 * environment must be the image's, with no proxy, and there must be no tags, which are labels.
 */
const fits = ({ spec }: Kind) =>
  Object.keys(spec.env).length === 0 && spec.egress === undefined && spec.tags === undefined

const keyOf = ({ spec, runtime, image }: Kind) => {
  const { limits, network, lease, workdir, user } = spec
  return JSON.stringify([image.Id, spec.image, runtime, limits, network, lease, workdir, user])
}

/** Removes a waiting container with its network. No effect if it belongs to a session by now. */
export const removeAhead = Effect.fnUntraced(function* (
  engine: Engine,
  name: string,
  network: string | null | undefined,
) {
  // Removed by name: the container loses this name when a session gets it.
  yield* undo(`container ${name}`, engine.containerRemove(name))
  const gone = yield* Effect.result(engine.containerInspect(name))
  if (gone._tag === "Failure" && isNetworkName(network)) {
    yield* undo(`network ${network}`, removeNetwork(engine, network))
  }
})

/**
 * Holds started containers ready for the requested kinds of sandbox, until its scope ends.
 *
 * One rename, which is atomic, gives a container to a session. Before it the container has no
 * owner; after it every process reads the same owner from the name.
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
      Effect.logWarning("Could not make a network for the warm pool", { error: error.message }),
    ),
    drain: networks.drain,
  })

  /**
   * Holds some of this kind ready from now on. The least recently requested kind is dropped if
   * there are too many.
   */
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
        // On failure the container keeps its name and stays in the pool.
        Effect.tapError(() => keep),
        Effect.catchReason("EngineError", "NameTaken", () =>
          Effect.fail(new SandboxNameTaken({ sandbox: name })),
        ),
      )
      if (!renamed) return Option.none()
      // The open connection proves that it runs, so the engine need not be asked.
      if (isConnected(made.Id)) return Option.some({ ...made, Name: `/${containerName}` })
      const container = yield* engine.containerInspect(made.Id)
      if (container.State.Running) return Option.some(container)
      // The container died while it waited (after a restart of the engine, for example).
      yield* undo(`container ${id}`, engine.containerRemove(container.Id))
      const network = networkOf(container)
      if (isNetworkName(network)) {
        yield* undo(`network ${network}`, removeNetwork(engine, network))
      }
      return Option.none()
    })

  /** Gives a ready container to a session; none if none is ready. Must not be interrupted. */
  const claim = (kind: Kind, id: SandboxId, containerName: string, name: string) =>
    pool.claim(kind, take(id, containerName, name))

  return { claim, want }
})
export type WarmPool = Effect.Success<ReturnType<typeof makeWarmPool>>
