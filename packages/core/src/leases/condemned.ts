import { Effect, Option } from "effect"
import type { SandboxTarget } from "../driver/Incarnation.ts"
import { type HostError, type LeaseStoreFailed, SandboxCondemned } from "../errors.ts"
import type { LeaseStore } from "../LeaseStore.ts"
import type { SandboxDriver } from "../SandboxDriver.ts"
import type { SandboxInfo } from "../values/Sandbox.ts"
import { condemnedId, type SandboxId } from "../values/SandboxId.ts"
import type { SessionKey } from "../values/Session.ts"
import type { Tags } from "../values/Tags.ts"
import type { NewLease } from "./Lease.ts"

/** The sandboxes that their host could not end. Their names are free, and they are removed later. */
export interface Condemned {
  /** Gives the lease of a sandbox a key of its own. Its name is free then, and every use of it ends. */
  readonly condemn: (lease: NewLease) => Effect.Effect<void, HostError | LeaseStoreFailed>
  /** Condemns the sandbox of a lease when a call fails because the host can't end the sandbox. */
  readonly watch: (
    lease: NewLease,
  ) => <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SandboxCondemned, R>
  /** Fails if the incarnation is condemned. */
  readonly refuse: (
    target: SandboxTarget,
  ) => Effect.Effect<void, SandboxCondemned | HostError | LeaseStoreFailed>
  /**
   * The sandboxes of sessions: one for each ID, and none that is condemned. While the store is away,
   * condemned ones are listed too.
   */
  readonly list: (
    session?: SessionKey,
    tags?: Tags,
  ) => Effect.Effect<ReadonlyArray<SandboxInfo>, HostError>
  /** The incarnation of an ID that is condemned and that the host still has. */
  readonly remnant: (id: SandboxId) => Effect.Effect<string | undefined, HostError>
}

const isCondemned = (error: unknown): error is SandboxCondemned => error instanceof SandboxCondemned

/** A host names the container in its error; this names the sandbox instead. */
export const named =
  ({ id }: Pick<SandboxTarget, "id">) =>
  <E>(error: E): E | SandboxCondemned =>
    isCondemned(error) ? new SandboxCondemned({ sandbox: id, reason: error.reason }) : error

/** The newest incarnation of each ID, which the host lists last. Older ones are condemned. */
export const newestOf = (infos: ReadonlyArray<SandboxInfo>): ReadonlyMap<SandboxId, SandboxInfo> =>
  new Map(infos.map((info) => [info.id, info]))

export const makeCondemned = (
  driver: SandboxDriver["Service"],
  store: LeaseStore["Service"],
  host: Effect.Effect<string, HostError | LeaseStoreFailed>,
): Condemned => {
  /** A sandbox whose creation was broken off has no incarnation that its lease knows. */
  const instanceOf = (lease: NewLease) =>
    lease.instanceId === ""
      ? Effect.map(driver.list(lease.session), (infos) => newestOf(infos).get(lease.id)?.instanceId)
      : Effect.succeed(lease.instanceId)

  /** Deletes a lease, whatever happens to it meanwhile. */
  const drop = (lease: NewLease) =>
    Effect.gen(function* () {
      const found = Option.getOrUndefined(yield* store.get(lease))
      return found?.instanceId !== lease.instanceId || (yield* store.delete(found, found.token))
    }).pipe(Effect.repeat({ until: (gone) => gone }))

  const condemn: Condemned["condemn"] = Effect.fnUntraced(function* (lease) {
    const instanceId = yield* instanceOf(lease)
    if (instanceId !== undefined) {
      const { id } = lease
      const apart = { ...lease, instanceId, id: condemnedId({ id, instanceId }) }
      yield* store.insert({ ...apart, phase: "condemned" })
      yield* Effect.logWarning("A sandbox could not be ended", { sandbox: id, instanceId })
    }
    yield* drop(lease)
  })

  const known = Effect.gen(function* () {
    const leases = yield* store.list(yield* host)
    return new Set(
      leases.filter(({ phase }) => phase === "condemned").map(({ instanceId }) => instanceId),
    )
  }).pipe(Effect.catch(({ message }) => Effect.as(Effect.logDebug(message), new Set<string>())))

  return {
    condemn,
    watch: (lease) => (call) =>
      call.pipe(
        Effect.tapError((error) =>
          isCondemned(error)
            ? Effect.catch(condemn(lease), ({ message }) => Effect.logWarning(message))
            : Effect.void,
        ),
        Effect.mapError(named(lease)),
      ),
    refuse: Effect.fnUntraced(function* (target) {
      const found = yield* store.get({ host: yield* host, id: condemnedId(target) })
      if (Option.isSome(found)) {
        const reason = "its host could not end it"
        return yield* new SandboxCondemned({ sandbox: target.id, reason })
      }
    }),
    list: Effect.fnUntraced(function* (session, tags) {
      const infos = [...newestOf(yield* driver.list(session, tags)).values()]
      if (infos.length === 0) return infos
      const condemned = yield* known
      return infos.filter(({ instanceId }) => !condemned.has(instanceId))
    }),
    remnant: Effect.fnUntraced(function* (id) {
      const condemned = yield* known
      if (condemned.size === 0) return undefined
      const newest = newestOf(yield* driver.list()).get(id)
      return newest !== undefined && condemned.has(newest.instanceId)
        ? newest.instanceId
        : undefined
    }),
  }
}
