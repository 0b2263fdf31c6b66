import { Effect, Schedule, Stream } from "effect"
import type { HostLeases } from "./HostLeases.ts"
import type { RunningLeases } from "./RunningLeases.ts"
import type { Reaper } from "./reaper.ts"
import type { Reconciler } from "./reconcile.ts"
import { reconnecting } from "./times.ts"

const tolerant = (what: string) =>
  Effect.catch((error: { readonly message: string }) =>
    Effect.logDebug(what, { error: error.message }),
  )

/** One turn of the reaper: due leases each time, and the comparison in one process at a time. */
const reap = Effect.fn("Leases.reap")(function* (
  { store, host, times }: HostLeases,
  reaper: Reaper,
  { compare }: Reconciler,
) {
  yield* reaper.settleDue
  // A bit shorter than the interval, so that this process does not miss its own next turn.
  const turn = yield* store.takeTurn(yield* host, times.reap * 0.9)
  if (turn) yield* compare
})

/** Watches the host's events until they are interrupted. */
const watchEvents = ({ driver }: HostLeases, running: RunningLeases, { observe }: Reconciler) =>
  Stream.runForEach(driver.events, (event) =>
    Effect.suspend(() => {
      if (event._tag === "Stopped") running.forget(event.id)
      return observe(event)
    }).pipe(tolerant("An event could not be taken in")),
  ).pipe(
    tolerant("Events of the host are interrupted"),
    Effect.ensuring(Effect.sync(() => running.interrupted())),
  )

/** Lets time pass, reaps, and watches the host, for as long as the scope is open. */
export const runInBackground = Effect.fnUntraced(function* (
  leases: HostLeases,
  running: RunningLeases,
  reaper: Reaper,
  reconciler: Reconciler,
) {
  const reaping = Schedule.spaced(leases.times.reap)
  // Beats run apart from the reaper: a pass that takes long must not stop the time of the leases.
  yield* leases.beat.pipe(tolerant("Time stands still"), Effect.repeat(reaping), Effect.forkScoped)
  yield* reap(leases, reaper, reconciler).pipe(
    tolerant("The reaper could not run"),
    Effect.repeat(reaping),
    Effect.forkScoped,
  )
  yield* watchEvents(leases, running, reconciler).pipe(
    Effect.repeat(reconnecting),
    Effect.forkScoped,
  )
})
