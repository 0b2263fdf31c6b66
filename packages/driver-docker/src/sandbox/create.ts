import {
  type CreateError,
  EngineError,
  handOver,
  ImageNotFound,
  type PullProgress,
  RuntimeUnavailable,
  type SandboxDriver,
  type SandboxInfo,
  SandboxNameTaken,
} from "@cordon/core"
import { Effect, Option } from "effect"
import type { Target } from "../container/Target.ts"
import { label, labelsOf } from "../Labels.ts"
import { containerName } from "../names.ts"
import type { Egress } from "../network/egress.ts"
import type { Images } from "../registry/images.ts"
import type { Kind, WarmPool } from "../warm/WarmPool.ts"
import { identityOf } from "./containerSpec.ts"
import type { DiskLimits } from "./diskLimits.ts"
import type { Host } from "./host.ts"
import { foundIn } from "./lookup.ts"
import type { Create as MakeContainer } from "./makeContainer.ts"
import { isForeign, isSnapshot } from "./snapshots.ts"

type Create = SandboxDriver["Service"]["create"]
type Request = Parameters<Create>[0]
type OnProgress = (progress: PullProgress) => Effect.Effect<void>
type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const leakyProxies = EngineError.notDone(
  "create a sandbox",
  "Podman's networks reach the host without the proxy of an egress list; use egress rules or another engine",
)

/** Creates sandboxes: from a fitting container of the warm pool if there is one, else from a new container. */
export const makeCreate = (using: {
  readonly host: Host
  readonly images: Images
  readonly egress: Egress
  readonly diskLimits: DiskLimits
  readonly makeContainer: MakeContainer
  readonly warmPool: WarmPool | undefined
  readonly remember: (place: Target) => void
  readonly remove: SandboxDriver["Service"]["remove"]
}): Create => {
  const { host, images, egress, diskLimits, makeContainer, remember, remove } = using

  /** Validates the request and pulls images if needed. Only the pulls are interruptible. */
  const prepare = Effect.fnUntraced(function* (
    { session, spec, access }: Request,
    onProgress: OnProgress,
    restore: Restore,
  ): Effect.fn.Return<Kind, CreateError> {
    const offered = yield* host.runtimes
    const runtime = offered.get(spec.runtime)
    if (runtime === undefined) {
      const available = [...offered.keys()]
      return yield* new RuntimeUnavailable({ runtime: spec.runtime, available })
    }
    if (spec.egress !== undefined) {
      if (yield* host.podman) return yield* leakyProxies
      yield* restore(egress.prepare(onProgress))
    }
    const { disk } = spec.limits
    const limited = disk !== undefined && diskLimits.worthAsking(yield* host.info)
    const image = yield* restore(images.provide({ image: spec.image, access }, onProgress))
    // Another session's snapshot does not exist to this one.
    if (isForeign(image, session)) return yield* new ImageNotFound({ image: spec.image })
    return { spec, runtime: runtime.name, image, disk: limited ? disk : undefined }
  })

  /** Makes a container for the sandbox. */
  const makeCold = ({ id, session, spec, instead }: Request, kind: Kind) => {
    const make = (kind: Kind) =>
      makeContainer({
        ...kind,
        id,
        name: containerName(id, session, instead),
        labels: labelsOf(id, session, spec, identityOf(spec, kind.image)),
        networkLabels: { [label.id]: id, [label.session]: session },
      })
    return make(kind).pipe(
      // Retried without the disk limit: from now on the capabilities say that it is not enforced.
      Effect.catchIf(diskLimits.refused, () => make({ ...kind, disk: undefined })),
      Effect.catchReason("EngineError", "NameTaken", () =>
        Effect.fail(new SandboxNameTaken({ sandbox: spec.name })),
      ),
    )
  }

  const provide = Effect.fnUntraced(function* (request: Request, kind: Kind, restore: Restore) {
    const { id, session, spec, instead } = request
    // Of two containers with one ID, the newer one is the sandbox. A container of the pool may be
    // older than the condemned container that it would replace, so a new one is made in that case.
    const pool = isSnapshot(kind.image) || instead !== undefined ? undefined : using.warmPool
    const name = containerName(id, session, instead)
    const claimed = pool ? yield* pool.claim(kind, id, name, spec.name) : Option.none()
    const container = Option.isSome(claimed)
      ? claimed.value
      : yield* restore(makeCold(request, kind))
    if (kind.disk !== undefined) diskLimits.worked()
    if (pool) yield* pool.want(kind)
    return container
  })

  return Effect.fn("DockerDriver.create")(function* (
    request,
    onProgress = () => Effect.void,
  ): Effect.fn.Return<SandboxInfo, CreateError> {
    yield* Effect.annotateCurrentSpan({ "sandbox.id": request.id })
    return yield* handOver(
      (restore) =>
        Effect.gen(function* () {
          const kind = yield* prepare(request, onProgress, restore)
          const found = foundIn(yield* provide(request, kind, restore))
          if (Option.isNone(found)) {
            return yield* Effect.die(new Error("A container that was just made is not ours"))
          }
          remember(found.value.target)
          return found.value.sandbox
        }),
      (made) => Effect.ignore(remove(made.id, made.instanceId)),
    )
  })
}
