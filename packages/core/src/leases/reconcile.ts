import { Duration, Effect, Option } from "effect"
import type { SandboxEvent } from "../driver/lifecycle.ts"
import type { HostError, LeaseError, LeaseStoreFailed } from "../errors.ts"
import { countSandboxes } from "../metrics.ts"
import type { SandboxInfo } from "../values/Sandbox.ts"
import { newestOf } from "./condemned.ts"
import { type HostLeases, phaseOf } from "./HostLeases.ts"
import type { Lease, LeasePhase } from "./Lease.ts"
import { forget, stopClaimed, tolerant } from "./settling.ts"

/** No creation takes as long as this. What a crashed one left is removed once it is this old. */
const halfMade = Duration.minutes(15)

/** Leases in these phases end by themselves. */
const endsByItself: ReadonlySet<LeasePhase> = new Set(["creating", "removing", "condemned"])

/** Makes leases and host agree. The host says what exists, the lease says what is wanted. */
export interface Reconciler {
  /** Compares all leases with the host. */
  readonly compare: Effect.Effect<void, HostError | LeaseStoreFailed>
  /** Takes an event of the host into account. */
  readonly observe: (event: SandboxEvent) => Effect.Effect<void, LeaseError>
}

/** The sandbox was made anew by a process whose leases are not here. */
const adoptInstance = Effect.fnUntraced(function* (
  leases: HostLeases,
  lease: Lease,
  info: SandboxInfo,
) {
  const { instanceId, lease: terms } = info
  const change = { instanceId, terms, phase: phaseOf(info), used: true } as const
  return Option.isSome(yield* leases.change(lease, change))
})

/** The sandbox runs, and its lease says that it does not. */
const mendRunning = Effect.fnUntraced(function* (leases: HostLeases, lease: Lease, about: object) {
  if (!leases.store.shared) {
    const started = yield* leases.change(lease, { phase: "active", used: true })
    if (Option.isSome(started)) yield* Effect.logInfo("A sandbox was started from outside", about)
    return
  }
  const claimed = yield* leases.change(lease, { claim: leases.times.claim })
  if (Option.isNone(claimed)) return
  yield* Effect.logInfo("Finishing a stop that was interrupted", about)
  yield* stopClaimed(leases, claimed.value)
})

const mend = Effect.fnUntraced(function* (
  leases: HostLeases,
  lease: Lease,
  info: SandboxInfo,
): Effect.fn.Return<void, LeaseError> {
  const about = { sandbox: lease.id, phase: lease.phase, status: info.status }
  if (lease.instanceId !== info.instanceId) {
    if (yield* adoptInstance(leases, lease, info)) {
      yield* Effect.logInfo("A sandbox was created again without its lease", about)
    }
  } else if (lease.phase === "active" && info.status === "stopped") {
    // The next use starts it.
    const idle = yield* leases.change(lease, { phase: "idle" })
    if (Option.isSome(idle)) yield* Effect.logInfo("A sandbox was stopped from outside", about)
  } else if (lease.phase !== "active" && info.status === "running") {
    yield* mendRunning(leases, lease, about)
  }
})

/** Gives sandboxes without a lease one, and condemns those that another one has replaced. */
const adoptFound = Effect.fnUntraced(function* (
  leases: HostLeases,
  known: ReadonlyArray<Lease>,
  present: ReadonlyArray<SandboxInfo>,
) {
  const leased = new Set(known.map(({ id }) => id))
  const newest = newestOf(present)
  const condemned = new Set(
    known.filter(({ phase }) => phase === "condemned").map(({ instanceId }) => instanceId),
  )
  for (const info of present) {
    // A sandbox with a lease in another store is not missing here.
    if (condemned.has(info.instanceId) || info.lease.store !== leases.store.id) continue
    if (newest.get(info.id)?.instanceId !== info.instanceId) {
      yield* leases.condemned.condemn(yield* leases.leaseOf(info))
      continue
    }
    if (leased.has(info.id)) continue
    if (Option.isSome(yield* leases.adopt(info))) {
      const { id: sandbox, status } = info
      yield* Effect.logInfo("Found a sandbox without a lease", { sandbox, status })
    }
  }
})

const compare = Effect.fnUntraced(function* (leases: HostLeases) {
  const { driver, store, host } = leases
  // Read before the host is asked: a sandbox that is created in between is then missing from both.
  const known = yield* store.list(yield* host)
  const present = yield* driver.list()
  yield* countSandboxes(present)
  yield* adoptFound(leases, known, present)
  const newest = newestOf(present)
  for (const lease of known) {
    // A claimed lease is being acted on.
    if (lease.claimedFor > 0 || endsByItself.has(lease.phase)) continue
    const info = newest.get(lease.id)
    yield* tolerant(lease)(info === undefined ? forget(leases, lease) : mend(leases, lease, info))
  }
  const swept = yield* driver.sweep(halfMade)
  if (swept.length > 0) yield* Effect.logInfo("Removed what a crash left", { swept })
})

const observe = Effect.fnUntraced(function* (
  leases: HostLeases,
  { _tag, id }: SandboxEvent,
): Effect.fn.Return<void, LeaseError> {
  // In a shared store the process that started it has said so.
  const counts = _tag === "Stopped" || (!leases.store.shared && _tag === "Started")
  if (!counts) return
  const found = yield* leases.get(id)
  if (Option.isNone(found) || found.value.claimedFor > 0) return
  const lease = found.value
  if (_tag === "Started" && lease.phase === "idle") {
    yield* leases.change(lease, { phase: "active", used: true })
  } else if (_tag === "Stopped" && lease.phase === "active") {
    // Events come late: it may have been started again long since.
    yield* mend(leases, lease, yield* leases.driver.inspect(id))
  }
})

export const makeReconciler = (leases: HostLeases): Reconciler => ({
  compare: compare(leases),
  observe: (event) => observe(leases, event),
})
