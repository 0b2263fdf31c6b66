import type { PromiseSandboxes, SnapshotInfo } from "@cordon/core"

/** A snapshot as ComputeSDK has it. */
export interface ComputesdkSnapshot {
  /** Its name: `snapshotId` of a creation. */
  readonly id: string
  /** The provider's name in ComputeSDK. */
  readonly provider: "cordon"
  /** When it was taken. */
  readonly createdAt: Date
}

/** The snapshots of a session. */
export interface ComputesdkSnapshots {
  /** Takes a snapshot of a sandbox by the sandbox's name; a name for it is made up where absent. */
  readonly create: (
    sandboxId: string,
    options?: { readonly name?: string },
  ) => Promise<ComputesdkSnapshot>
  /** All snapshots of the session, oldest first. */
  readonly list: () => Promise<Array<ComputesdkSnapshot>>
  /**
   * Removes a snapshot by its name. Rejects with `SnapshotInUse` while a sandbox that was made from it
   * exists.
   */
  readonly delete: (snapshotId: string) => Promise<void>
}

const snapshotOf = ({ name, createdAt }: SnapshotInfo): ComputesdkSnapshot => ({
  id: name,
  provider: "cordon",
  createdAt,
})

export const snapshotsOf = (sandboxes: PromiseSandboxes): ComputesdkSnapshots => ({
  create: async (sandboxId, { name } = {}) => {
    const sandbox = await sandboxes.get(sandboxId)
    return snapshotOf(await sandbox.snapshot(name))
  },
  list: async () => (await sandboxes.snapshots.list()).map(snapshotOf),
  delete: (snapshotId) => sandboxes.snapshots.remove(snapshotId),
})
