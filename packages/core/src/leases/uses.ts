import { Effect, Metric, Option, Schedule } from "effect"
import { LeaseLost, type LeaseStoreFailed, SandboxNotFound, SandboxNotRunning } from "../errors.ts"
import type { Lease, LeaseStore } from "../LeaseStore.ts"
import { leaseLosses } from "../metrics.ts"
import type { SandboxDriver } from "../SandboxDriver.ts"
import { elapsed } from "./elapsed.ts"

/** What a use holds. */
export interface Held {
  readonly lease: Lease
  /** Milliseconds of a clock that nobody sets: how long it was away, not what time it is. */
  renewedAt: number
}

type Loss = LeaseLost | SandboxNotRunning

/** The uses of this process: how a lease is kept, and what the end of a use is worth. */
export interface Uses {
  /** Whether somebody in this process uses the sandbox by this very lease. */
  readonly has: (lease: Lease) => boolean
  /** Renews for as long as it runs; it ends only by failing, when the lease is gone. */
  readonly keep: (held: Held) => Effect.Effect<never, Loss>
  /** Ends a use: what it found is worth nothing if the lease ran out before it was through. */
  readonly leave: (held: Held) => Effect.Effect<void, Loss | LeaseStoreFailed>
  /** A use that failed because its sandbox was taken away says so. */
  readonly explain: (held: Held) => <E>(error: E) => Effect.Effect<never, E | LeaseLost>
}

/** Beats in the life of a lease: one may fail, and its holder still has time to try again. */
const beats = 3
/** How soon a beat that the store did not take is tried again: often before the lease runs out. */
const retrying = ({ idleTimeout }: Lease) => Schedule.spaced(Math.min(2000, idleTimeout / 30))

export const makeUses = (
  driver: SandboxDriver["Service"],
  store: LeaseStore["Service"],
  /** Called with a sandbox whose lease is this process's no longer. */
  forget: (lease: Lease) => Effect.Effect<void>,
): Uses => {
  const uses = new Set<Held>()

  /** Why a use may not go on; it succeeds where it may. */
  const check = Effect.fnUntraced(function* ({
    lease,
  }: Held): Effect.fn.Return<void, Loss | LeaseStoreFailed> {
    const { id, instanceId, token } = lease
    const now = Option.getOrUndefined(yield* store.get(lease))
    if (now?.token === token) return
    yield* forget(lease)
    if (now?.instanceId === instanceId && now.phase === "stopped") {
      return yield* new SandboxNotRunning({ sandbox: id, status: "stopped" })
    }
    yield* Metric.update(leaseLosses, 1)
    return yield* new LeaseLost({ sandbox: id })
  })

  const renew = Effect.fnUntraced(function* (held: Held) {
    const renewed = yield* store.renew(held.lease, held.lease.token)
    if (renewed) held.renewedAt = yield* elapsed
    return renewed
  })

  const beat = (held: Held) =>
    Effect.suspend(() => {
      let told = false
      return Effect.gen(function* () {
        if (!(yield* renew(held))) yield* check(held)
        return true
      }).pipe(
        // A store that is away is no reason to end somebody's command.
        Effect.catchTag("LeaseStoreFailed", ({ message }) => {
          const log = told ? Effect.logDebug(message) : Effect.logWarning(message)
          told = true
          return Effect.as(log, false)
        }),
        Effect.repeat({ schedule: retrying(held.lease), until: (done) => done }),
      )
    })

  const keep: Uses["keep"] = (held) =>
    Effect.acquireUseRelease(
      Effect.sync(() => uses.add(held)),
      () =>
        Effect.forever(
          Effect.andThen(Effect.sleep(Math.max(1, held.lease.idleTimeout / beats)), beat(held)),
        ),
      () => Effect.sync(() => uses.delete(held)),
    )

  const awayFor = (held: Held) => Effect.map(elapsed, (now) => now - held.renewedAt)

  /** A lease that was not renewed in time, and nobody knows whose it is: the host knows a little. */
  const vouch = (held: Held, away: number, error: LeaseStoreFailed) =>
    Effect.gen(function* () {
      const { id, instanceId, idleTimeout } = held.lease
      const untouched =
        away < idleTimeout ||
        (yield* driver.inspect(id).pipe(
          Effect.map((info) => info.instanceId === instanceId && info.status === "running"),
          Effect.orElseSucceed(() => false),
        ))
      if (!untouched) return yield* error
      yield* Effect.logWarning(error.message)
    })

  const leave: Uses["leave"] = (held) =>
    Effect.gen(function* () {
      const { idleTimeout } = held.lease
      const away = yield* awayFor(held)
      if (away < idleTimeout / 20) return
      yield* Effect.gen(function* () {
        if ((yield* renew(held)) || away < idleTimeout) return
        yield* check(held)
      }).pipe(Effect.catchTag("LeaseStoreFailed", (error) => vouch(held, away, error)))
    })

  const explain: Uses["explain"] =
    (held) =>
    <E>(error: E): Effect.Effect<never, E | LeaseLost> =>
      Effect.gen(function* () {
        const away = yield* awayFor(held)
        if (error instanceof SandboxNotFound || away >= held.lease.idleTimeout) {
          const loss = yield* Effect.option(Effect.flip(check(held)))
          if (Option.isSome(loss) && loss.value instanceof LeaseLost) return yield* loss.value
        }
        if (error instanceof SandboxNotRunning) yield* forget(held.lease)
        return yield* Effect.fail(error)
      })

  return {
    has: ({ id, token }) => [...uses].some(({ lease }) => lease.id === id && lease.token === token),
    keep,
    leave,
    explain,
  }
}
