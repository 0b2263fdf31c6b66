import { Duration, Effect, Option } from "effect"
import type { SandboxTarget } from "../driver/Incarnation.ts"
import { EngineUnreachable, type LeaseError, SandboxNotRunning } from "../errors.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import { named } from "./condemned.ts"
import { elapsed } from "./elapsed.ts"
import { settledLease } from "./findLease.ts"
import type { HostLeases } from "./HostLeases.ts"
import type { Lease } from "./Lease.ts"
import type { RunningLeases } from "./RunningLeases.ts"
import type { SharedSilence } from "./sharedSilence.ts"
import { startLease } from "./stopAndStart.ts"
import { untilWon } from "./untilWon.ts"
import type { Held } from "./uses.ts"

/** The error of a call whose sandbox did not get ready in the call's time. */
export const late = new EngineUnreachable({
  endpoint: "the sandbox's host",
  reason:
    "it did not make the sandbox ready before the command's timeout; the command was not started",
})

const renewed = ({ store }: HostLeases, lease: Lease) =>
  Effect.map(store.renew(lease, lease.token), (done) =>
    done ? Option.some(lease) : Option.none<Lease>(),
  )

/** Renews the lease as it was last seen. That works while nobody has changed what may be done with it. */
const renewKnown = (leases: HostLeases, running: RunningLeases, target: SandboxTarget) => {
  const known = running.find(target)
  return known === undefined ? Effect.succeedNone : renewed(leases, known)
}

/** Whether the sandbox needs no start. An engine that restarts sends no event for what it stopped. */
const isRunning = (leases: HostLeases, { id, instanceId }: SandboxTarget) =>
  Effect.map(
    leases.driver.inspect(id),
    // The use itself finds out that it is paused, or another incarnation.
    (info) => info.status !== "stopped" || info.instanceId !== instanceId,
  )

/** Renews the lease, and starts the sandbox where it was idle. */
const takePart = Effect.fnUntraced(function* (
  leases: HostLeases,
  running: RunningLeases,
  target: SandboxTarget,
): Effect.fn.Return<Option.Option<Lease>, LeaseError> {
  const known = yield* renewKnown(leases, running, target)
  if (Option.isSome(known)) return known
  running.forget(target.id)
  const begun = running.begin()
  const lease = yield* settledLease(leases, target)
  if (lease.phase === "stopped") {
    return yield* new SandboxNotRunning({ sandbox: target.id, status: "stopped" })
  }
  const runs =
    lease.phase === "active" && (yield* leases.condemned.watch(lease)(isRunning(leases, target)))
  const entered = runs ? yield* renewed(leases, lease) : yield* startLease(leases, lease)
  if (Option.isSome(entered)) running.remember(entered.value, begun)
  return entered
})

/** Fails with `late` once the patience is over. The use itself was not begun then. */
const inTime =
  (patience: Duration.Duration) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | EngineUnreachable, R> =>
    effect.pipe(
      Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(late) }),
      Effect.mapError((error) =>
        error instanceof EngineUnreachable
          ? new EngineUnreachable({ ...error, delivered: "never" })
          : error,
      ),
    )

/** How a use begins: it has renewed the lease, and the sandbox runs. */
export const makeEnter =
  (leases: HostLeases, running: RunningLeases, inTurn: SharedSilence<SandboxId>) =>
  (target: SandboxTarget, patience = Duration.infinity): Effect.Effect<Held, LeaseError> =>
    Effect.gen(function* () {
      const known = yield* renewKnown(leases, running, target)
      const lease = Option.isSome(known)
        ? known.value
        : yield* inTurn(target.id)(untilWon(takePart(leases, running, target))).pipe(
            Effect.mapError(named(target)),
            inTime(patience),
          )
      return { lease, renewedAt: yield* elapsed }
    })
