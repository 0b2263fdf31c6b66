import { Effect, Metric, Option, Schedule } from "effect"
import { LeaseLost, type LeaseStoreFailed, SandboxNotFound, SandboxNotRunning } from "../errors.ts"
import { leaseLosses } from "../metrics.ts"
import { elapsed } from "./elapsed.ts"
import type { HostLeases } from "./HostLeases.ts"
import type { Lease } from "./Lease.ts"
import type { RunningLeases } from "./RunningLeases.ts"
import { renewing, retryingRenewal } from "./times.ts"

/** A use's hold on a lease. */
export interface Held {
  readonly lease: Lease
  /** When it was last renewed, by `elapsed`. */
  renewedAt: number
}

type Loss = LeaseLost | SandboxNotRunning

/** The uses of this process: how they keep a lease, and whether what they found counts. */
export interface Uses {
  /** Whether a use in this process holds this very lease. */
  readonly has: (lease: Lease) => boolean
  /** Renews for as long as it runs. It ends only by failing, when the lease is gone. */
  readonly keep: (held: Held) => Effect.Effect<never, Loss>
  /** Ends a use. It fails when the lease ran out before the use was through: its result is worth nothing. */
  readonly leave: (held: Held) => Effect.Effect<void, Loss | LeaseStoreFailed>
  /** Turns the error of a use into `LeaseLost` where its sandbox was taken away. */
  readonly explain: (held: Held) => <E>(error: E) => Effect.Effect<never, E | LeaseLost>
}

/** Milliseconds since the lease was renewed. */
const awayFor = (held: Held) => Effect.map(elapsed, (now) => now - held.renewedAt)

const renew = Effect.fnUntraced(function* ({ store }: HostLeases, held: Held) {
  const renewed = yield* store.renew(held.lease, held.lease.token)
  if (renewed) held.renewedAt = yield* elapsed
  return renewed
})

/** Fails with the reason why a use may not go on; succeeds where it may. */
const check = Effect.fnUntraced(function* (
  { store }: HostLeases,
  running: RunningLeases,
  { lease }: Held,
): Effect.fn.Return<void, Loss | LeaseStoreFailed> {
  const { id, instanceId, token } = lease
  const now = Option.getOrUndefined(yield* store.get(lease))
  if (now?.token === token) return
  running.forget(id)
  if (now?.instanceId === instanceId && now.phase === "stopped") {
    return yield* new SandboxNotRunning({ sandbox: id, status: "stopped" })
  }
  yield* Metric.update(leaseLosses, 1)
  return yield* new LeaseLost({ sandbox: id })
})

/** Renews a lease once, and tries again while its store is away: that is no reason to end a command. */
const beat = (leases: HostLeases, running: RunningLeases, held: Held) =>
  Effect.gen(function* () {
    if (!(yield* renew(leases, held))) yield* check(leases, running, held)
    return true
  }).pipe(
    Effect.catchTag("LeaseStoreFailed", ({ message }) =>
      Effect.gen(function* () {
        const { attempt } = yield* Schedule.CurrentMetadata
        yield* attempt === 0 ? Effect.logWarning(message) : Effect.logDebug(message)
        return false
      }),
    ),
    Effect.repeat({ schedule: retryingRenewal(held.lease), until: (done) => done }),
  )

/**
 * Decides on a lease that was not renewed in time while its store is away. The host tells at least whether
 * the sandbox still runs.
 */
const vouch = Effect.fnUntraced(function* (
  { driver }: HostLeases,
  { lease: { id, instanceId, idleTimeout } }: Held,
  away: number,
  error: LeaseStoreFailed,
) {
  const untouched =
    away < idleTimeout ||
    (yield* driver.inspect(id).pipe(
      Effect.map((info) => info.instanceId === instanceId && info.status === "running"),
      Effect.orElseSucceed(() => false),
    ))
  if (!untouched) return yield* error
  yield* Effect.logWarning(error.message)
})

const leave = Effect.fnUntraced(function* (
  leases: HostLeases,
  running: RunningLeases,
  held: Held,
): Effect.fn.Return<void, Loss | LeaseStoreFailed> {
  const { idleTimeout } = held.lease
  const away = yield* awayFor(held)
  if (away < idleTimeout / 20) return
  yield* Effect.gen(function* () {
    if ((yield* renew(leases, held)) || away < idleTimeout) return
    yield* check(leases, running, held)
  }).pipe(Effect.catchTag("LeaseStoreFailed", (error) => vouch(leases, held, away, error)))
})

const explain = Effect.fnUntraced(function* <E>(
  leases: HostLeases,
  running: RunningLeases,
  held: Held,
  error: E,
): Effect.fn.Return<never, E | LeaseLost> {
  const away = yield* awayFor(held)
  if (error instanceof SandboxNotFound || away >= held.lease.idleTimeout) {
    const loss = yield* Effect.option(Effect.flip(check(leases, running, held)))
    if (Option.isSome(loss) && loss.value instanceof LeaseLost) return yield* loss.value
  }
  if (error instanceof SandboxNotRunning) running.forget(held.lease.id)
  return yield* Effect.fail(error)
})

export const makeUses = (leases: HostLeases, running: RunningLeases): Uses => {
  const uses = new Set<Held>()
  return {
    has: ({ id, token }) => [...uses].some(({ lease }) => lease.id === id && lease.token === token),
    keep: (held) =>
      Effect.acquireUseRelease(
        Effect.sync(() => uses.add(held)),
        () =>
          beat(leases, running, held).pipe(
            Effect.schedule(renewing(held.lease)),
            Effect.andThen(Effect.never),
          ),
        () => Effect.sync(() => uses.delete(held)),
      ),
    leave: (held) => leave(leases, running, held),
    explain: (held) => (error) => explain(leases, running, held, error),
  }
}
