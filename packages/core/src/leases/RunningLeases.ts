import type { SandboxTarget } from "../driver/Incarnation.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import type { Lease } from "./Lease.ts"

/**
 * Leases of sandboxes that this process saw running. The next use of such a sandbox only renews its lease by
 * the token: it does not ask the host. When the host's events are interrupted, all are forgotten, since any
 * sandbox may have stopped meanwhile.
 */
export class RunningLeases {
  readonly #leases = new Map<SandboxId, Lease>()
  #interruptions = 0

  find({ id, instanceId }: SandboxTarget): Lease | undefined {
    const lease = this.#leases.get(id)
    return lease?.instanceId === instanceId ? lease : undefined
  }

  /** Call it before you look at the host, and pass the result to `remember`. */
  begin(): number {
    return this.#interruptions
  }

  /** Remembers a lease, unless the host's events were interrupted since `begin`. */
  remember(lease: Lease, begun: number): void {
    if (begun === this.#interruptions) this.#leases.set(lease.id, lease)
  }

  forget(id: SandboxId): void {
    this.#leases.delete(id)
  }

  interrupted(): void {
    this.#interruptions += 1
    this.#leases.clear()
  }
}
