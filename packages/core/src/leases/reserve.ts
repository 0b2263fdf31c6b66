import { Effect, Option } from "effect"
import {
  type HostError,
  type LeaseStoreFailed,
  QuotaExceeded,
  SandboxNameTaken,
} from "../errors.ts"
import type { SandboxSpec } from "../values/Sandbox.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import type { SessionKey } from "../values/Session.ts"
import type { HostLeases } from "./HostLeases.ts"
import type { Lease } from "./Lease.ts"
import type { Excess, Quotas } from "./quotas.ts"
import { glance } from "./times.ts"
import { untilWon } from "./untilWon.ts"

/** The sandbox that a lease is reserved for. */
export interface Request {
  /** The ID that it will have. */
  readonly id: SandboxId
  /** The session that it will belong to. */
  readonly session: SessionKey
  /** What it will be made with. */
  readonly spec: SandboxSpec
}

const quotaExceeded = ({ of, resource, limit }: Excess) => {
  const what = {
    sandboxes: "sandboxes",
    memory: "bytes of memory for sandboxes",
    cpus: "CPU cores for sandboxes",
    disk: "bytes of disk space for sandboxes",
  }
  return new QuotaExceeded({ resource: `${what[resource]} of a ${of}`, limit })
}

/** Finishes a removal that has begun, or waits a little where another process is at it. */
const awaitRemoval = Effect.fnUntraced(function* (leases: HostLeases, lease: Lease) {
  if (lease.claimedFor > 0) return yield* Effect.sleep(glance)
  const claimed = yield* leases.change(lease, { claim: leases.times.claim })
  if (Option.isNone(claimed)) return
  // A sandbox that can't be removed is condemned, and its name is free as well.
  yield* leases
    .finishRemoval(claimed.value)
    .pipe(Effect.catchTag("SandboxCondemned", () => Effect.void))
})

/** Deletes a lease that has the name of a new sandbox, unless the sandbox of that lease exists. */
const makeWay = Effect.fnUntraced(function* (leases: HostLeases, lease: Lease, name: string) {
  const taken = new SandboxNameTaken({ sandbox: name })
  if (lease.phase === "creating") return yield* taken
  if (lease.phase === "removing") return yield* awaitRemoval(leases, lease)
  const exists = yield* leases.driver.inspect(lease.id).pipe(
    leases.condemned.watch(lease),
    Effect.as(true),
    Effect.catchTag(["SandboxCondemned", "SandboxNotFound"], () => Effect.succeed(false)),
  )
  if (exists) return yield* taken
  yield* leases.store.delete(lease, lease.token)
})

/** Takes the sandbox's place in the quotas before anything is made. */
export const reserve = Effect.fnUntraced(function* (
  leases: HostLeases,
  { id, session, spec }: Request,
  quotas: Quotas,
): Effect.fn.Return<Lease, SandboxNameTaken | QuotaExceeded | LeaseStoreFailed | HostError> {
  const { memory, cpus, disk = 0 } = spec.limits
  const { creation } = leases.times
  const attempt = Effect.gen(function* () {
    const inserted = yield* leases.store.insert(
      {
        host: yield* leases.host,
        id,
        session,
        instanceId: "",
        phase: "creating",
        memory,
        cpus,
        disk,
        idleTimeout: creation,
        removeTimeout: creation,
      },
      quotas,
    )
    if (inserted._tag === "Inserted") return Option.some(inserted.lease)
    if (inserted._tag === "QuotaExceeded") return yield* quotaExceeded(inserted.excess)
    const found = yield* leases.get(id)
    if (Option.isSome(found)) yield* makeWay(leases, found.value, spec.name)
    return Option.none<Lease>()
  })
  return yield* untilWon(attempt)
})
