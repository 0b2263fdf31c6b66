import { Duration, Effect, Option } from "effect"
import type { HostError, LeaseError, LeaseStoreFailed } from "../errors.ts"
import type { Lease, LeasePhase, LeaseStore } from "../LeaseStore.ts"
import { countReap, countSandboxes } from "../metrics.ts"
import type { SandboxDriver, SandboxEvent } from "../SandboxDriver.ts"
import type { SandboxInfo } from "../values/Sandbox.ts"
import { newestOf } from "./condemned.ts"
import { type HostLeases, phaseOf } from "./HostLeases.ts"
import type { Uses } from "./uses.ts"

/** What a crashed `create` left is removed once it is this old: none takes as long. */
const halfMade = Duration.minutes(15)
const batch = 16
// Leases in these end by themselves.
const phasesOfActs: ReadonlySet<LeasePhase> = new Set(["creating", "removing", "condemned"])
const mostBetweenTries = Duration.toMillis("10 minutes")

export interface Reaper {
  /** Brings every lease that is due to where the time says it must be. */
  readonly settleDue: Effect.Effect<void, HostError | LeaseStoreFailed>
  /** Compares the leases with the host, and mends what differs. */
  readonly compare: Effect.Effect<void, HostError | LeaseStoreFailed>
  /** Lets what happens on the host count. */
  readonly observe: (event: SandboxEvent) => Effect.Effect<void, LeaseError>
}

/**
 * Acts on leases that ran out, and on what does not fit together. Due leases are claimed, so that
 * any number of reapers share the work, and every change is a compare-and-set, so that none undoes
 * what a user or another reaper has just done.
 */
export const makeReaper = (
  driver: SandboxDriver["Service"],
  store: LeaseStore["Service"],
  leases: HostLeases,
  uses: Pick<Uses, "has">,
): Reaper => {
  const { claim } = leases

  /** One sandbox that resists must not keep the others alive; the next pass tries again. */
  const tolerant = (lease: Lease) => (effect: Effect.Effect<void, LeaseError>) =>
    effect.pipe(
      Effect.catch((error) =>
        Effect.logWarning("Could not settle a lease", { sandbox: lease.id, error: error.message }),
      ),
    )

  const forget = Effect.fnUntraced(function* (lease: Lease) {
    if (yield* store.delete(lease, lease.token)) {
      yield* Effect.logInfo("Forgot the lease of a sandbox that is gone", { sandbox: lease.id })
    }
  })

  /** Stops the container of a lease in `idle` or `stopped`. */
  const stop = (claimed: Lease) =>
    leases
      .act(claimed, driver.stop, { done: {}, failed: {} })
      .pipe(Effect.catchTag("SandboxNotFound", () => forget(claimed)))

  /**
   * Tries to remove what could not be ended, more rarely the longer that lasts. Nobody waits for it: the
   * host may take its time to say that it still can't.
   */
  const removeCondemned = Effect.fnUntraced(function* (lease: Lease) {
    const pause = Math.min(Math.max(lease.unusedFor, claim), mostBetweenTries)
    const claimed = yield* leases.change(lease, { claim: pause })
    if (Option.isNone(claimed)) return
    const { instanceId } = lease
    const attempt = Effect.gen(function* () {
      const info = (yield* driver.list()).find((info) => info.instanceId === instanceId)
      if (info !== undefined) {
        yield* driver
          .remove(info.id, instanceId)
          .pipe(Effect.catchTag("SandboxNotFound", () => Effect.void))
        yield* Effect.logInfo("Removed a sandbox that could not be ended before", {
          sandbox: info.id,
          instanceId,
        })
      }
      yield* store.delete(lease, claimed.value.token)
    })
    yield* Effect.forkDetach(tolerant(lease)(attempt))
  })

  /** Whether somebody whose leases are not in this store works in it; it then is no longer due. */
  const usedElsewhere = Effect.fnUntraced(function* (lease: Lease) {
    if (store.shared) return false
    const info = yield* driver
      .inspect(lease.id)
      .pipe(Effect.catchTag("SandboxNotFound", () => Effect.succeed(undefined)))
    if (info === undefined) return false
    const unusedFor = info.busy === true ? 0 : (info.unusedElsewhereFor ?? lease.idleTimeout)
    if (unusedFor >= lease.idleTimeout) return false
    yield* store.renew(lease, lease.token)
    return true
  })

  const settle = Effect.fnUntraced(function* (lease: Lease): Effect.fn.Return<void, LeaseError> {
    const { id, unusedFor, removeTimeout, idleTimeout } = lease
    if (lease.phase === "condemned") return yield* removeCondemned(lease)
    if (lease.phase === "removing") {
      yield* Effect.logInfo("Finishing a removal that was broken off", { sandbox: id })
      return yield* leases.finishRemoval(lease)
    }
    if (uses.has(lease)) return void (yield* store.renew(lease, lease.token))
    if (yield* usedElsewhere(lease)) return
    if (unusedFor >= removeTimeout) {
      const removing = { phase: "removing", claim, unusedFor: removeTimeout } as const
      const claimed = yield* leases.change(lease, removing)
      if (Option.isNone(claimed)) return
      yield* countReap("remove")
      yield* lease.phase === "creating"
        ? Effect.logInfo("Removing what a broken-off creation left", { sandbox: id, unusedFor })
        : Effect.logInfo("Removing an abandoned sandbox", { sandbox: id, unusedFor })
      return yield* leases.finishRemoval(claimed.value)
    }
    const idle = yield* leases.change(lease, { phase: "idle", claim, unusedFor: idleTimeout })
    if (Option.isNone(idle)) return
    yield* countReap("stop")
    yield* Effect.logInfo("Stopping an idle sandbox", { sandbox: id, unusedFor })
    yield* stop(idle.value)
  })

  const settleDue = Effect.gen(function* () {
    const host = yield* leases.host
    // What was tried stays claimed, so that this ends.
    while (true) {
      const due = yield* store.claimDue(host, { claim, limit: batch })
      yield* Effect.forEach(due, (lease) => tolerant(lease)(settle(lease)), {
        concurrency: 4,
        discard: true,
      })
      if (due.length < batch) return
    }
  })

  /** A lease and a container that disagree: what the host has is so, what is wanted is the lease. */
  const mend = Effect.fnUntraced(function* (
    lease: Lease,
    info: SandboxInfo,
  ): Effect.fn.Return<void, LeaseError> {
    const running = info.status === "running"
    const about = { sandbox: lease.id, phase: lease.phase, status: info.status }
    if (lease.instanceId !== info.instanceId) {
      const { instanceId, lease: terms } = info
      const change = { instanceId, terms, phase: phaseOf(info), used: true } as const
      const adopted = yield* leases.change(lease, change)
      if (Option.isSome(adopted)) {
        yield* Effect.logInfo("A sandbox was made anew without its lease", about)
      }
    } else if (lease.phase === "active" && info.status === "stopped") {
      // The next use starts it.
      const idle = yield* leases.change(lease, { phase: "idle" })
      if (Option.isSome(idle)) yield* Effect.logInfo("A sandbox was stopped from outside", about)
    } else if (lease.phase !== "active" && running) {
      if (!store.shared) {
        const started = yield* leases.change(lease, { phase: "active", used: true })
        if (Option.isSome(started)) {
          yield* Effect.logInfo("A sandbox was started from outside", about)
        }
        return
      }
      const claimed = yield* leases.change(lease, { claim })
      if (Option.isNone(claimed)) return
      yield* Effect.logInfo("Stopping a sandbox whose stop was broken off", about)
      yield* stop(claimed.value)
    }
  })

  const compare = Effect.gen(function* () {
    // Read before the host is asked: a sandbox created in between is then missing from both.
    const known = yield* store.list(yield* leases.host)
    const present = yield* driver.list()
    yield* countSandboxes(present)
    const leaseOf = new Map(known.map((lease) => [lease.id, lease]))
    const newest = newestOf(present)
    const condemned = new Set(
      known.filter(({ phase }) => phase === "condemned").map(({ instanceId }) => instanceId),
    )
    for (const info of present) {
      // Another store's lease is not missing here.
      if (condemned.has(info.instanceId) || info.lease.store !== store.id) continue
      if (newest.get(info.id)?.instanceId !== info.instanceId) {
        // Another one was made in its place, by a process whose leases are gone.
        yield* leases.condemned.condemn(yield* leases.leaseOf(info))
        continue
      }
      if (leaseOf.has(info.id)) continue
      if (Option.isSome(yield* leases.adopt(info))) {
        const { id: sandbox, status } = info
        yield* Effect.logInfo("Found a sandbox without a lease", { sandbox, status })
      }
    }
    for (const lease of known) {
      // Whoever made the claim is at it; and what is being made or removed ends by its lease.
      if (lease.claimedFor > 0 || phasesOfActs.has(lease.phase)) continue
      const info = newest.get(lease.id)
      yield* tolerant(lease)(info === undefined ? forget(lease) : mend(lease, info))
    }
    const swept = yield* driver.sweep(halfMade)
    if (swept.length > 0) yield* Effect.logInfo("Removed what a crash left", { swept })
  })

  const observe = Effect.fnUntraced(function* (
    event: SandboxEvent,
  ): Effect.fn.Return<void, LeaseError> {
    const { _tag } = event
    // In a shared store whoever started it has said so.
    const counts = _tag === "Stopped" || (!store.shared && _tag === "Started")
    if (!counts) return
    const found = yield* leases.get(event.id)
    if (Option.isNone(found) || found.value.claimedFor > 0) return
    const lease = found.value
    if (_tag === "Started" && lease.phase === "idle") {
      yield* leases.change(lease, { phase: "active", used: true })
    } else if (_tag === "Stopped" && lease.phase === "active") {
      // Events come late: it may have been started again long since.
      yield* mend(lease, yield* driver.inspect(lease.id))
    }
  })

  return { settleDue, compare, observe }
}
