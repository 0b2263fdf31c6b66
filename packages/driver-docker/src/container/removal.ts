import type { SandboxSpec } from "@cordon/core"

/**
 * How many seconds a sandbox lives without a connected program. The lower bound protects sandboxes
 * of a program that is slow to connect; the upper bound is the largest number that the init can
 * count.
 */
export const removalSeconds = ({ lease }: Pick<SandboxSpec, "lease">): number =>
  secondsAlone(lease.removeTimeout)

/** Like `removalSeconds`, for a time in milliseconds. */
export const secondsAlone = (milliseconds: number): number =>
  Math.min(Math.max(Math.ceil(milliseconds / 1000), 60), 2 ** 32 - 1)
