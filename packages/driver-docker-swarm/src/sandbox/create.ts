import {
  handOver,
  type Runtime,
  RuntimeUnavailable,
  type SandboxDriver,
  Unsupported,
} from "@cordon/core"
import { Effect, Option } from "effect"
import type { Manager } from "../manager/Manager.ts"
import type { Place } from "./lookup.ts"
import type { Creation } from "./makeService.ts"
import { runtimesOf } from "./placement.ts"
import type { Registry } from "./registry.ts"
import type { Removal } from "./removal.ts"
import type { Snapshots } from "./snapshots.ts"
import type { SwarmPool } from "./warm.ts"

type Create = SandboxDriver["Service"]["create"]
type Request = Parameters<Create>[0]

/** Creates sandboxes: from a service that was made ahead where one fits, else a new one. */
export const makeCreate = (using: {
  readonly manager: Manager
  readonly images: Registry
  readonly creation: Creation
  readonly removal: Removal
  readonly snapshots: Snapshots
  readonly warm: SwarmPool | undefined
  readonly remember: (place: Place) => void
  readonly remove: SandboxDriver["Service"]["remove"]
}): Create => {
  const { manager, images, creation, removal, snapshots, warm, remember, remove } = using

  /** Collects the information that a creation needs before it begins. */
  const prepare = Effect.fnUntraced(function* ({ id, session, spec, access }: Request) {
    const open = Effect.map(images.open(spec.image, access), (registry) => ({
      image: spec.image,
      registry,
      hasInit: false,
      node: undefined,
    }))
    const [nodes, source] = yield* Effect.all(
      [
        manager.nodes,
        snapshots.isOne(spec.image) ? snapshots.find(spec.image, session) : open,
        // A creation of the same program may just have failed while the managers were away.
        removal.undone(id),
      ],
      { concurrency: "unbounded" },
    )
    const available: ReadonlyArray<Runtime> = runtimesOf(nodes)
    if (!available.includes(spec.runtime)) {
      return yield* new RuntimeUnavailable({ runtime: spec.runtime, available })
    }
    return { nodes, source }
  })
  type Prepared = Effect.Success<ReturnType<typeof prepare>>

  /** Makes a service for the sandbox. The services that wait for nobody give their place up for it. */
  const makeCold = (
    { id, session, spec }: Request,
    { nodes, source }: Prepared,
    onPreparing: (node: string) => Effect.Effect<void>,
  ) => {
    const { image, registry, hasInit, node } = source
    const make = creation.create({
      id,
      session,
      spec: { ...spec, image },
      registry,
      hasInit,
      node,
      nodes,
      onPreparing,
    })
    return Effect.catchTag(make, "QuotaExceeded", (error) =>
      Effect.flatMap(warm?.release ?? Effect.succeed(false), (any) =>
        any ? make : Effect.fail(error),
      ),
    )
  }

  return Effect.fn("SwarmDriver.create")(function* (request, onProgress = () => Effect.void) {
    const { id, session, spec, access } = request
    yield* Effect.annotateCurrentSpan({ "sandbox.id": id })
    if (spec.egress !== undefined) {
      return yield* new Unsupported({ feature: "egress", driver: "docker-swarm" })
    }
    const onPreparing = (node: string) =>
      onProgress({ image: spec.image, status: `Preparing on node ${node}` })
    return yield* handOver(
      (restore) =>
        Effect.gen(function* () {
          const prepared = yield* restore(prepare(request))
          const { registry, hasInit } = prepared.source
          const pool = hasInit ? undefined : warm
          const kind = { spec, registry, access }
          const claimed = pool ? yield* pool.claim(kind, id, session, spec) : Option.none()
          const made = Option.isSome(claimed)
            ? claimed.value
            : yield* restore(makeCold(request, prepared, onPreparing))
          if (pool) yield* pool.want(kind)
          remember(made.place)
          return made.sandbox
        }),
      (made) => Effect.ignore(remove(made.id, made.instanceId)),
    )
  })
}
