import { Clock, Context, Duration, Effect, Layer, Option, Schedule, Stream } from "effect"
import {
  type HostError,
  type LeaseError,
  LeaseLost,
  type LeaseStoreFailed,
  SandboxNotFound,
  SandboxNotRunning,
} from "./errors.ts"
import { makeKeyedLock } from "./KeyedLock.ts"
import { type Lease, LeaseStore } from "./LeaseStore.ts"
import { SandboxDriver, type SandboxEvent } from "./SandboxDriver.ts"
import { Settings } from "./Settings.ts"
import type { SandboxInfo } from "./values/Sandbox.ts"
import type { SandboxId } from "./values/SandboxId.ts"

/** What a crashed `create` left is removed once it is this old: none takes as long. */
const halfMade = Duration.minutes(15)

/**
 * Keeps each sandbox alive while it is used, and no longer.
 *
 * Each use renews the lease, a long one again and again. Nobody using it, a sandbox is stopped
 * after the idle timeout and removed after the remove timeout. Every pass of the reaper compares
 * the leases with the host: a sandbox without a lease (its process crashed, or is another one) is
 * given one from now on, and use by other processes is seen through the driver's events, so that
 * no process removes what another one works with.
 */
export class Leases extends Context.Service<
  Leases,
  {
    /** Begins the lease of a sandbox that was just created. */
    readonly begin: (info: SandboxInfo) => Effect.Effect<void, LeaseStoreFailed>

    /**
     * Renews the lease, starts the sandbox if it was stopped for being idle, runs the effect, and
     * keeps renewing until it ends. Fails with `LeaseLost` if the lease is taken away meanwhile.
     */
    readonly use: (
      id: SandboxId,
    ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | LeaseError, R>

    /** As `use`, for as long as the stream runs. */
    readonly useStream: (
      id: SandboxId,
    ) => <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.Stream<A, E | LeaseError, R>

    /** Stops the sandbox on request: only `start` starts it again. */
    readonly stop: (id: SandboxId) => Effect.Effect<void, LeaseError>
    readonly start: (id: SandboxId) => Effect.Effect<void, LeaseError>
    readonly remove: (id: SandboxId) => Effect.Effect<void, LeaseError>

    /** One pass of the reaper, which otherwise runs by itself. */
    readonly reap: Effect.Effect<void, HostError | LeaseStoreFailed>
  }
>()("@cordon/core/Leases") {
  static readonly layer: Layer.Layer<Leases, never, SandboxDriver | LeaseStore | Settings> =
    Layer.effect(
      Leases,
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const store = yield* LeaseStore
        const settings = yield* Settings
        const exclusively = makeKeyedLock<SandboxId>()
        const idleTimeout = Duration.toMillis(settings.idleTimeout)
        const reapInterval = Duration.millis(Math.min(15_000, Math.max(100, idleTimeout / 10)))

        const fresh = Effect.fnUntraced(function* (info: SandboxInfo, token: number) {
          const lease: Lease = {
            id: info.id,
            instanceId: info.instanceId,
            token,
            lastUsedAt: yield* Clock.currentTimeMillis,
            ...info.lease,
            phase: info.status === "running" ? "active" : "idle",
          }
          return lease
        })

        /** Puts a lease in place whatever is there: only for who knows that the sandbox is new. */
        const begin = (info: SandboxInfo): Effect.Effect<void, LeaseStoreFailed> =>
          Effect.gen(function* () {
            const token = Option.match(yield* store.get(info.id), {
              onNone: () => 0,
              onSome: (lease) => lease.token,
            })
            const stored = yield* store.compareAndSet(token, yield* fresh(info, token + 1))
            if (!stored) yield* begin(info)
          })

        /** The lease in place; a sandbox that has none yet is given one. */
        const current = (id: SandboxId): Effect.Effect<Lease, LeaseError> =>
          Effect.gen(function* () {
            const found = yield* store.get(id)
            if (Option.isSome(found)) return found.value
            const adopted = yield* fresh(yield* driver.inspect(id), 1)
            return (yield* store.compareAndSet(0, adopted)) ? adopted : yield* current(id)
          })

        const gone = (id: SandboxId) => new SandboxNotFound({ sandbox: id })

        /** Changes the lease to what `change` makes of it, as often as it takes. */
        const update = (
          id: SandboxId,
          change: (lease: Lease) => Effect.Effect<Partial<Lease>, LeaseError>,
        ): Effect.Effect<Lease, LeaseError> =>
          Effect.gen(function* () {
            const lease = yield* current(id)
            if (lease.phase === "removing") return yield* gone(id)
            const changed = { ...lease, ...(yield* change(lease)), token: lease.token + 1 }
            const stored = yield* store.compareAndSet(lease.token, changed)
            return stored ? lease : yield* update(id, change)
          })

        const renew = (id: SandboxId) =>
          update(id, (lease) =>
            lease.phase === "stopped"
              ? Effect.fail(new SandboxNotRunning({ sandbox: id, status: "stopped" }))
              : Effect.map(Clock.currentTimeMillis, (lastUsedAt) => ({
                  lastUsedAt,
                  phase: "active",
                })),
          )

        const enter = (id: SandboxId): Effect.Effect<Lease, LeaseError> =>
          exclusively(id)(
            Effect.gen(function* () {
              const before = yield* renew(id)
              if (before.phase === "idle") {
                yield* driver.start(id).pipe(
                  // Not started: the next use has to try again.
                  Effect.onError(() =>
                    Effect.ignore(update(id, () => Effect.succeed({ phase: "idle" }))),
                  ),
                )
              }
              return before
            }),
          )

        /** Renews for as long as it runs; it ends only by failing, when the lease is gone. */
        const keep = (entered: Lease): Effect.Effect<never, LeaseError> =>
          Effect.gen(function* () {
            yield* Effect.sleep(Math.max(1, entered.idleTimeout / 3))
            const found = yield* store.get(entered.id)
            if (Option.isNone(found) || found.value.instanceId !== entered.instanceId) {
              return yield* new LeaseLost({ sandbox: entered.id })
            }
            // A store that hiccups is no reason to end somebody's command: the next beat may do.
            yield* renew(entered.id).pipe(Effect.catchTag("LeaseStoreFailed", Effect.logWarning))
          }).pipe(Effect.forever)

        const leave = (id: SandboxId) => Effect.ignore(renew(id))

        const use: Leases["Service"]["use"] = (id) => (effect) =>
          Effect.flatMap(enter(id), (lease) => Effect.raceFirst(effect, keep(lease))).pipe(
            Effect.tap(() => leave(id)),
          )

        const useStream: Leases["Service"]["useStream"] = (id) => (stream) =>
          Stream.unwrap(
            Effect.map(enter(id), (lease) =>
              stream.pipe(Stream.interruptWhen(keep(lease)), Stream.ensuring(leave(id))),
            ),
          )

        const stop = Effect.fn("Leases.stop")(function* (id: SandboxId) {
          yield* exclusively(id)(
            update(id, () => Effect.succeed({ phase: "stopped" })).pipe(
              Effect.andThen(driver.stop(id)),
            ),
          )
        })

        const start = Effect.fn("Leases.start")(function* (id: SandboxId) {
          yield* exclusively(id)(
            Effect.gen(function* () {
              yield* driver.start(id)
              const lastUsedAt = yield* Clock.currentTimeMillis
              yield* update(id, () => Effect.succeed({ phase: "active", lastUsedAt }))
            }),
          )
        })

        const finishRemoval = Effect.fnUntraced(function* (lease: Lease) {
          yield* driver
            .remove(lease.id, lease.instanceId)
            .pipe(Effect.catchTag("SandboxNotFound", () => Effect.void))
          yield* store.delete(lease.id, lease.token)
        })

        /** From here on there is no way back: a reaper finishes what is broken off. */
        const claimForRemoval = Effect.fnUntraced(function* (lease: Lease) {
          const claimed: Lease = { ...lease, token: lease.token + 1, phase: "removing" }
          return (yield* store.compareAndSet(lease.token, claimed)) ? claimed : undefined
        })

        const removeNow = (id: SandboxId): Effect.Effect<void, LeaseError> =>
          Effect.gen(function* () {
            const lease = yield* current(id)
            if (lease.phase === "removing") return yield* finishRemoval(lease)
            const claimed = yield* claimForRemoval(lease)
            yield* claimed === undefined ? removeNow(id) : finishRemoval(claimed)
          })

        const remove = Effect.fn("Leases.remove")((id: SandboxId) => exclusively(id)(removeNow(id)))

        /** Brings one lease to where the time says it must be. */
        const settle = Effect.fnUntraced(function* (id: SandboxId) {
          const found = yield* store.get(id)
          if (Option.isNone(found)) return
          const lease = found.value
          if (lease.phase === "removing") return yield* finishRemoval(lease)
          const now = yield* Clock.currentTimeMillis
          const idleFor = now - lease.lastUsedAt
          const due = idleFor >= lease.removeTimeout
          if (!due && (lease.phase !== "active" || idleFor < lease.idleTimeout)) return
          const info = yield* driver.inspect(id)
          if (info.busy === true) {
            // Another process works in it.
            yield* store.compareAndSet(lease.token, {
              ...lease,
              token: lease.token + 1,
              lastUsedAt: now,
            })
            return
          }
          if (due) {
            const claimed = yield* claimForRemoval(lease)
            if (claimed === undefined) return
            yield* Effect.logInfo("Removing an abandoned sandbox", { sandbox: id, idleFor })
            return yield* finishRemoval(claimed)
          }
          const idle: Lease = { ...lease, token: lease.token + 1, phase: "idle" }
          if (yield* store.compareAndSet(lease.token, idle)) {
            yield* Effect.logInfo("Stopping an idle sandbox", { sandbox: id, idleFor })
            yield* driver.stop(id)
          }
        })

        const reap = Effect.fn("Leases.reap")(function* () {
          // Read before the host is asked: a sandbox created in between is then missing from both.
          const leases = yield* store.list
          const present = yield* driver.list()
          const ids = new Set(present.map((info) => info.id))
          const leased = new Set(leases.map((lease) => lease.id))
          for (const info of present) {
            if (leased.has(info.id)) continue
            const adopted = yield* store.compareAndSet(0, yield* fresh(info, 1))
            if (adopted)
              yield* Effect.logInfo("Found a sandbox without a lease", { sandbox: info.id })
          }
          for (const lease of leases) {
            if (!ids.has(lease.id)) yield* store.delete(lease.id, lease.token)
          }
          yield* Effect.forEach(
            leases.filter((lease) => ids.has(lease.id)),
            ({ id }) =>
              exclusively(id)(settle(id)).pipe(
                Effect.catchTag("SandboxNotFound", () => Effect.void),
                // One sandbox that resists must not keep the others alive; the next pass tries again.
                Effect.catch((error) =>
                  Effect.logWarning("Could not settle a lease", {
                    sandbox: id,
                    error: error.message,
                  }),
                ),
              ),
            { concurrency: 4, discard: true },
          )
          const swept = yield* driver.sweep(halfMade)
          if (swept.length > 0) yield* Effect.logInfo("Removed what a crash left", { swept })
        })

        /** Lets what other processes do count. */
        const observe = Effect.fnUntraced(function* (event: SandboxEvent) {
          const found = yield* store.get(event.id)
          if (Option.isNone(found)) return
          const lease = found.value
          const now = yield* Clock.currentTimeMillis
          const changed = { ...lease, token: lease.token + 1, lastUsedAt: now }
          const recent = now - lease.lastUsedAt < lease.idleTimeout / 10
          if (event._tag === "Used" && lease.phase === "active" && !recent) {
            yield* store.compareAndSet(lease.token, changed)
          } else if (event._tag === "Started" && lease.phase === "idle") {
            yield* store.compareAndSet(lease.token, { ...changed, phase: "active" })
          } else if (event._tag === "Stopped" && lease.phase === "active") {
            // Stopped behind our back, so the next use starts it.
            yield* store.compareAndSet(lease.token, {
              ...lease,
              token: lease.token + 1,
              phase: "idle",
            })
          }
        })

        const again = Schedule.spaced(reapInterval)
        yield* Effect.forkScoped(
          reap().pipe(
            Effect.catch((error) =>
              Effect.logDebug("The reaper could not run", { error: error.message }),
            ),
            Effect.repeat(again),
          ),
        )
        yield* Effect.forkScoped(
          Stream.runForEach(driver.events, observe).pipe(
            Effect.catch((error) =>
              Effect.logDebug("Events of the host are interrupted", { error: error.message }),
            ),
            Effect.repeat(again),
          ),
        )

        return Leases.of({ begin, use, useStream, stop, start, remove, reap: reap() })
      }),
    )
}
