import type { NewLease } from "./Lease.ts"

/** The most that a session or a host may have; what is absent is not limited. */
export interface Quota {
  /** Sandboxes, running or stopped. */
  readonly sandboxes?: number
  /** Bytes of memory. */
  readonly memory?: number
  /** CPU cores. */
  readonly cpus?: number
  /** Bytes of disk space. */
  readonly disk?: number
}

/** What a quota limits. */
export type QuotaResource = keyof Quota

/** The quotas that a new lease has to keep. */
export interface Quotas {
  /** Of all sandboxes of the lease's session, on whatever host. */
  readonly session?: Quota
  /** Of all sandboxes on the lease's host. */
  readonly host?: Quota
}

/** The quota that a new sandbox would exceed. */
export interface Excess {
  /** Whose quota it is. */
  readonly of: keyof Quotas
  /** What there would be too much of. */
  readonly resource: QuotaResource
  /** The quota's limit, in the resource's unit. */
  readonly limit: number
}

const resources = ["sandboxes", "memory", "cpus", "disk"] as const

/** The first quota that one more lease beside those in place would exceed. */
export const findExcess = (
  lease: NewLease,
  usage: { readonly [scope in keyof Quotas]-?: Required<Quota> },
  quotas: Quotas,
): Excess | undefined => {
  const wanted: Required<Quota> = { ...lease, sandboxes: 1 }
  for (const scope of ["session", "host"] as const) {
    for (const resource of resources) {
      const limit = quotas[scope]?.[resource]
      if (limit === undefined) continue
      // Three times 0.1 core is a bit more than 0.3.
      if (usage[scope][resource] + wanted[resource] > limit * (1 + 1e-9)) {
        return { of: scope, resource, limit }
      }
    }
  }
  return undefined
}
