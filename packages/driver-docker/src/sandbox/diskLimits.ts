import { isEngineError } from "../engine/failures.ts"
import type { EngineInfo } from "../engine/schemas.ts"

/**
 * Whether the engine's storage driver can limit what a container writes. On overlay2 over XFS that
 * depends on a mount option that the engine does not tell: there the first limit is the test.
 */
const support = ({ Driver, DriverStatus }: EngineInfo): "yes" | "no" | "perhaps" => {
  if (Driver === "btrfs" || Driver === "zfs") return "yes"
  const backing = DriverStatus?.find(([name]) => name === "Backing Filesystem")?.[1]
  return Driver === "overlay2" && backing === "xfs" ? "perhaps" : "no"
}

/** What is known about limits of disk space on one engine. */
export const makeDiskLimits = () => {
  let tried: boolean | undefined
  return {
    /** Whether to ask the engine for them. */
    worthAsking: (info: EngineInfo) => tried !== false && support(info) !== "no",
    /** Whether they are known to be enforced. */
    enforced: (info: EngineInfo) =>
      tried !== false &&
      (support(info) === "yes" || (support(info) === "perhaps" && tried === true)),
    /** A container was made with one; what was refused before stays so. */
    worked: () => {
      tried ??= true
    },
    /** Whether the engine refused a container for its limit, which it then will again. */
    refused: (error: { readonly _tag: string }) => {
      if (!isEngineError("DiskLimitRefused")(error)) return false
      tried = false
      return true
    },
  }
}
/** What `makeDiskLimits` gives. */
export type DiskLimits = ReturnType<typeof makeDiskLimits>
