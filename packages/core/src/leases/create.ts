import { Effect, Option } from "effect"
import { handOver } from "../concurrency/handOver.ts"
import type { SandboxTarget } from "../driver/Incarnation.ts"
import { LeaseLost } from "../errors.ts"
import type { Leases } from "../Leases.ts"
import type { SandboxInfo } from "../values/Sandbox.ts"
import { elapsed } from "./elapsed.ts"
import type { HostLeases } from "./HostLeases.ts"
import type { Lease } from "./Lease.ts"
import type { RunningLeases } from "./RunningLeases.ts"
import { reserve } from "./reserve.ts"
import type { Uses } from "./uses.ts"

/** Makes a sandbox under a reserved lease, which is renewed meanwhile. It ends with its lease begun, or with nothing. */
const makeLeased = <E, R>(
  { driver, store, change }: HostLeases,
  { running, uses }: { readonly running: RunningLeases; readonly uses: Uses },
  reserved: Lease,
  make: Effect.Effect<SandboxInfo, E, R>,
) =>
  Effect.gen(function* () {
    const lost = new LeaseLost({ sandbox: reserved.id })
    const begun = running.begin()
    const keep = uses.keep({ lease: reserved, renewedAt: yield* elapsed })
    const stillHeld = Effect.catchTag(keep, "SandboxNotRunning", () => Effect.fail(lost))
    let made: SandboxInfo | undefined
    // Known even to a call that is interrupted just now, and so gets no result: it must undo it.
    const making = Effect.uninterruptibleMask((restore) =>
      Effect.tap(restore(make), (info) =>
        Effect.sync(() => {
          made = info
        }),
      ),
    )
    const begin = Effect.fnUntraced(function* ({ instanceId, lease: terms }: SandboxInfo) {
      const active = yield* change(reserved, { phase: "active", instanceId, terms, used: true })
      if (Option.isNone(active)) return yield* lost
      running.remember(active.value, begun)
    })
    const undo = Effect.suspend(() =>
      made === undefined ? Effect.void : driver.remove(made.id, made.instanceId),
    ).pipe(Effect.ignore, Effect.andThen(Effect.ignore(store.delete(reserved, reserved.token))))
    return { making: Effect.raceFirst(making, stillHeld), begin, undo }
  })

/** Reserves a sandbox's place in the quotas, makes it, and begins its lease. */
export const makeCreate =
  (
    leases: HostLeases,
    running: RunningLeases,
    uses: Uses,
    remove: (target: SandboxTarget) => Effect.Effect<void, unknown>,
  ): Leases["Service"]["create"] =>
  (request, quotas) =>
  (make) =>
    Effect.gen(function* () {
      if (!leases.store.shared) {
        // Sandboxes that other processes made for the session count as well.
        const infos = yield* leases.condemned.list(request.session)
        yield* Effect.forEach(infos, leases.adopt, { discard: true })
      }
      const reserved = yield* reserve(leases, request, quotas)
      const { making, begin, undo } = yield* makeLeased(leases, { running, uses }, reserved, make)
      return yield* handOver(
        (restore) =>
          restore(making).pipe(
            Effect.tap(begin),
            Effect.onError(() => undo),
          ),
        // Its lease has begun by then.
        (info) => Effect.ignore(remove(info)),
      )
    })
