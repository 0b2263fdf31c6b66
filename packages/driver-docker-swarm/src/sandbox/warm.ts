import type {
  CreateError,
  HostError,
  ImageAccess,
  SandboxId,
  SandboxInfo,
  SandboxSpec,
  SessionKey,
} from "@cordon/core"
import {
  identityOf,
  labelsAhead,
  labelsOf,
  makeKindPool,
  type RegistryAuth,
  type Shelf,
  type WarmPoolOptions,
} from "@cordon/driver-docker/sandbox"
import { Effect, Option, Result } from "effect"
import type { Manager } from "../manager/Manager.ts"
import type { WholeService } from "../manager/schemas.ts"
import { give, nameAhead, renew } from "./ahead.ts"
import type { At, Place } from "./lookup.ts"
import { type Creation, newAttempt, sandboxOf } from "./makeService.ts"
import type { Removal } from "./removal.ts"
import { attemptLabel, madeLabel, runningLabel, serviceSpec, userLabel } from "./service.ts"

/** All properties of a sandbox except its owner. */
export interface Kind {
  readonly spec: Omit<SandboxSpec, "name">
  /** The credentials with which the nodes pull its image. */
  readonly registry: RegistryAuth
  readonly access: ImageAccess | undefined
}

interface Ready {
  readonly service: WholeService
  readonly attempt: string
  readonly place: Place
  readonly identity: ReturnType<typeof identityOf>
}

interface Made {
  readonly sandbox: SandboxInfo
  readonly place: Place
}

/**
 * Whether a service can be made ahead. A container's environment can't be changed later, and a node
 * asks the registry when it makes a container.
 */
const fits = ({ spec, access }: Kind) =>
  Object.keys(spec.env).length === 0 && spec.egress === undefined && access?.always !== true

const keyOf = ({ spec }: Kind) => {
  const { image, runtime, limits, network, lease, workdir, user } = spec
  return JSON.stringify([image, runtime, limits, network, lease, workdir, user])
}

// Making several takes as long as making one: most of it is waiting.
const atOnce = 4

/** The warm pool: services whose tasks run before a sandbox is requested. See `ahead.ts`. */
export const makeSwarmPool = Effect.fnUntraced(function* (
  manager: Manager,
  at: At,
  creation: Creation,
  removal: Removal,
  options: WarmPoolOptions,
) {
  const shelf: Shelf<Kind, Ready> = {
    keyOf: (kind) => (fits(kind) ? keyOf(kind) : undefined),
    make: Effect.fnUntraced(function* ({ spec, registry }) {
      const attempt = newAttempt()
      const id = nameAhead(attempt)
      const labels = {
        ...labelsAhead(spec, identityOf(spec, { Id: "" })),
        [attemptLabel]: attempt,
      }
      const wanted = {
        id,
        spec,
        session: undefined,
        labels,
        attempt,
        registry,
        hasInit: false,
        nodes: [],
        onPreparing: () => Effect.void,
      }
      const made = Effect.gen(function* () {
        const running = yield* creation.run(wanted, spec.image)
        return { ...running, attempt }
      })
      return yield* Effect.onError(made, () => removal.undo(id, attempt))
    }),
    renew: (ready, now) =>
      Effect.map(renew(manager, ready.service.ID, now), (service) => ({ ...ready, service })),
    destroy: ({ place, attempt, service }) => removal.undo(place.id, attempt, service.ID),
    atOnce,
  }
  const pool = yield* makeKindPool(shelf, options)

  const isConnected = (place: Place): Effect.Effect<boolean> =>
    Effect.map(at(place.host), ({ connections }) => connections.isConnected(place.instanceId)).pipe(
      Effect.scoped,
      Effect.orElseSucceed(() => false),
    )

  const take = (id: SandboxId, session: SessionKey, spec: SandboxSpec) =>
    Effect.fnUntraced(function* (
      ready: Ready,
    ): Effect.fn.Return<Option.Option<Made>, CreateError | HostError> {
      const { service, attempt, identity } = ready
      // The time when its container ran, as for all others in the pool.
      const madeAt = service.CreatedAt
      // Perhaps it was lost with its node.
      if (!(yield* isConnected(ready.place))) {
        yield* Effect.forkDetach(shelf.destroy(ready))
        return Option.none()
      }
      const { user, workdir } = identity
      const labels = {
        ...labelsOf(id, session, spec, identity),
        [userLabel]: user,
        [attemptLabel]: attempt,
        [runningLabel]: service.ID,
        [madeLabel]: madeAt,
      }
      const name = serviceSpec({
        id,
        spec,
        workdir,
        labels,
        attempt,
        network: undefined,
        isName: true,
      })
      const [given, named] = yield* Effect.all(
        [
          Effect.result(give(manager, service, id)),
          Effect.result(
            manager.serviceCreate(name).pipe(
              Effect.asSome,
              // The slow path, without a ready service, finds the owner of the name and whether its
              // creation was aborted.
              Effect.catchReason("EngineError", "NameTaken", () =>
                Effect.map(removal.serviceOf(id, attempt), (own) =>
                  Option.map(Option.fromUndefinedOr(own), ({ ID }) => ID),
                ),
              ),
            ),
          ),
        ],
        { concurrency: 2 },
      )
      if (
        Result.isSuccess(given) &&
        given.success &&
        Result.isSuccess(named) &&
        Option.isSome(named.success)
      ) {
        const place = { ...ready.place, id, service: named.success.value }
        const made = { ID: place.service, CreatedAt: madeAt }
        return Option.some({ sandbox: sandboxOf({ id, session, spec }, made, place), place })
      }
      const isTaken = Result.isSuccess(named) && Option.isNone(named.success)
      // Its own name must be free before another service can have it.
      yield* isTaken
        ? Effect.forkDetach(shelf.destroy(ready))
        : removal.undo(id, attempt, service.ID)
      if (Result.isFailure(given)) return yield* Effect.fail(given.failure)
      if (Result.isFailure(named)) return yield* Effect.fail(named.failure)
      return Option.none()
    })

  return {
    /** Gives a ready service to a session; none if none is ready. Must not be interrupted. */
    claim: (kind: Kind, id: SandboxId, session: SessionKey, spec: SandboxSpec) =>
      pool.claim(kind, take(id, session, spec)),
    want: pool.want,
    release: pool.release,
  }
})
export type SwarmPool = Effect.Success<ReturnType<typeof makeSwarmPool>>
