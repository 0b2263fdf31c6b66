import { isEngineError } from "../engine/failures.ts"
import type { EngineInfo } from "../engine/schemas.ts"

/**
 * Whether the engine's storage driver supports disk limits. On overlay2 over XFS that depends on a
 * mount option that the engine does not report, so the first container with a limit is the test.
 */
const support = ({ Driver, DriverStatus }: EngineInfo): "yes" | "no" | "perhaps" => {
  if (Driver === "btrfs" || Driver === "zfs") return "yes"
  const backing = DriverStatus?.find(([name]) => name === "Backing Filesystem")?.[1]
  return Driver === "overlay2" && backing === "xfs" ? "perhaps" : "no"
}

/** Tracks whether one engine enforces disk limits. */
export const makeDiskLimits = () => {
  let tried: boolean | undefined
  return {
    /** Whether to request disk limits. */
    worthAsking: (info: EngineInfo) => tried !== false && support(info) !== "no",
    /** Whether disk limits are known to be enforced. */
    enforced: (info: EngineInfo) =>
      tried !== false &&
      (support(info) === "yes" || (support(info) === "perhaps" && tried === true)),
    /** Call this after a container was made with a limit. An earlier refusal still counts. */
    worked: () => {
      tried ??= true
    },
    /**
     * Whether the engine refused a container because of its disk limit. If so, limits are no longer
     * requested.
     */
    refused: (error: { readonly _tag: string }) => {
      if (!isEngineError("DiskLimitRefused")(error)) return false
      tried = false
      return true
    },
  }
}
export type DiskLimits = ReturnType<typeof makeDiskLimits>
