import { Duration, Effect, Exit, Option } from "effect"
import { Incarnation } from "../driver/Incarnation.ts"
import {
  EngineError,
  type HostError,
  type LeaseStoreFailed,
  type SandboxCondemned,
  type SandboxNotFound,
} from "../errors.ts"
import type { LeaseStore } from "../LeaseStore.ts"
import type { SandboxDriver } from "../SandboxDriver.ts"
import type { Settings } from "../Settings.ts"
import type { SandboxInfo } from "../values/Sandbox.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import { type Condemned, makeCondemned } from "./condemned.ts"
import type { Lease, LeaseChange, NewLease } from "./Lease.ts"
import { timesOf } from "./times.ts"

/** How this process reads and changes the leases of one host. */
export interface HostLeases {
  readonly driver: SandboxDriver["Service"]
  readonly store: LeaseStore["Service"]
  readonly times: ReturnType<typeof timesOf>
  /** See `SettingsInput.extensionLimit`. */
  readonly extensionLimit: Duration.Duration
  /** The host's ID, once the store lets this host use it. */
  readonly host: Effect.Effect<string, HostError | LeaseStoreFailed>
  /** See `LeaseStore.beat`. */
  readonly beat: Effect.Effect<void, HostError | LeaseStoreFailed>
  readonly get: (id: SandboxId) => Effect.Effect<Option.Option<Lease>, HostError | LeaseStoreFailed>
  readonly change: (
    lease: Lease,
    change: LeaseChange,
  ) => Effect.Effect<Option.Option<Lease>, LeaseStoreFailed>
  /** Begins a lease for a sandbox that has none. It gives none when the sandbox got one meanwhile. */
  readonly adopt: (
    info: SandboxInfo,
  ) => Effect.Effect<Option.Option<Lease>, HostError | LeaseStoreFailed>
  /** Acts on the container under a claim, then gives the claim back with a change of the lease. */
  readonly act: <E>(
    claimed: Lease,
    call: (id: SandboxId) => Effect.Effect<void, E>,
    after: { readonly done: LeaseChange; readonly failed: LeaseChange },
  ) => Effect.Effect<Option.Option<Lease>, E | SandboxCondemned | LeaseStoreFailed>
  readonly condemned: Condemned
  /** The lease that a sandbox as its host has it would have if it were used now. */
  readonly leaseOf: (info: SandboxInfo) => Effect.Effect<NewLease, HostError | LeaseStoreFailed>
  /** Removes the sandbox of a claimed lease in `removing`, then the lease. */
  readonly finishRemoval: (claimed: Lease) => Effect.Effect<void, HostError | LeaseStoreFailed>
}

/** The phase of a sandbox that only its host knows. */
export const phaseOf = ({ status }: SandboxInfo) =>
  // One that was only created is about to be started, perhaps by a process with a store of its own.
  status === "stopped" ? "idle" : "active"

/** The lease that a sandbox as its host has it would have if it were used now. */
const leaseOf = (host: string, info: SandboxInfo): NewLease => ({
  host,
  id: info.id,
  session: info.session,
  instanceId: info.instanceId,
  phase: phaseOf(info),
  memory: info.limits.memory,
  cpus: info.limits.cpus,
  disk: info.limits.disk ?? 0,
  ...info.lease,
})

const doubleHost = (hostId: string, mark: string) =>
  new EngineError({
    operation: "be told from another one",
    reason: { _tag: "Failed" },
    detail: `the lease store knows another host with the ID ${hostId}, so this host (${mark}) would treat that host's leases as its own. Clones of a machine have the same ID: give each one its own hostId (an option of the driver). If this host was only renamed, wait some minutes and try again`,
  })

/** Who this host is, and how its time passes. */
const makeHost = Effect.fnUntraced(function* (
  driver: SandboxDriver["Service"],
  store: LeaseStore["Service"],
  step: number,
) {
  // Asked once, but not before an engine answers.
  const identity = yield* driver.capabilities.pipe(
    Effect.map(({ hostId, hostMark = "" }) => ({ hostId, mark: hostMark })),
    Effect.cachedWithTTL((exit) => (Exit.isSuccess(exit) ? Duration.infinity : 0)),
  )
  let isOurs = false
  const beat = Effect.gen(function* () {
    const { hostId, mark } = yield* identity
    isOurs = yield* store.beat(hostId, { step, mark })
    if (!isOurs) return yield* doubleHost(hostId, mark)
  })
  const host = Effect.suspend(() => (isOurs ? Effect.void : beat)).pipe(
    Effect.andThen(identity),
    Effect.map(({ hostId }) => hostId),
  )
  return { host, beat }
})

export const makeHostLeases = Effect.fnUntraced(function* (
  driver: SandboxDriver["Service"],
  store: LeaseStore["Service"],
  settings: Settings["Service"],
) {
  const times = timesOf(settings)
  const { host, beat } = yield* makeHost(driver, store, times.step)
  const change: HostLeases["change"] = (lease, change) => store.change(lease, lease.token, change)
  const condemned = makeCondemned(driver, store, host)

  const hostLeases: HostLeases = {
    driver,
    store,
    times,
    extensionLimit: settings.extensionLimit,
    host,
    beat,
    get: (id) => Effect.flatMap(host, (host) => store.get({ host, id })),
    change,
    condemned,
    leaseOf: (info) => Effect.map(host, (host) => leaseOf(host, info)),
    adopt: Effect.fnUntraced(function* (info) {
      const inserted = yield* store.insert(leaseOf(yield* host, info))
      return inserted._tag === "Inserted" ? Option.some(inserted.lease) : Option.none()
    }),
    act: (claimed, call, { done, failed }) =>
      call(claimed.id).pipe(
        Effect.provideService(Incarnation, claimed),
        condemned.watch(claimed),
        // It is not known then whether it was done: `failed` must be right either way.
        Effect.onError(() => Effect.ignore(change(claimed, { ...failed, claim: 0 }))),
        Effect.andThen(change(claimed, { ...done, claim: 0 })),
      ),
    finishRemoval: Effect.fnUntraced(function* (claimed) {
      // The lease of a broken-off creation knows no incarnation.
      const instance = claimed.instanceId === "" ? undefined : claimed.instanceId
      yield* driver.remove(claimed.id, instance).pipe(
        Effect.catchTag("SandboxNotFound", (_: SandboxNotFound) => Effect.void),
        condemned.watch(claimed),
        Effect.onError(() => Effect.ignore(change(claimed, { claim: 0 }))),
      )
      yield* store.delete(claimed, claimed.token)
    }),
  }
  return hostLeases
})
