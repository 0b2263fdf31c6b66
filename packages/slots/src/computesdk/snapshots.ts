import type { PromiseSandboxes, SnapshotInfo } from "@cordon/core"

/** A snapshot as ComputeSDK has it. */
export interface ComputesdkSnapshot {
  /** Its name: `snapshotId` of a creation. */
  readonly id: string
  readonly provider: "cordon"
  readonly createdAt: Date
}

/** The snapshots of a session. */
export interface ComputesdkSnapshots {
  readonly create: (
    sandboxId: string,
    options?: { readonly name?: string },
  ) => Promise<ComputesdkSnapshot>
  readonly list: () => Promise<Array<ComputesdkSnapshot>>
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
