import type { SandboxSpec } from "@cordon/core"

/**
 * Seconds for which a sandbox lives without any program that is connected to it: not so few that one
 * which is slow to show itself loses it, nor more than the init can count.
 */
export const removalSeconds = ({ lease }: Pick<SandboxSpec, "lease">): number =>
  secondsAlone(lease.removeTimeout)

/** As `removalSeconds`, of milliseconds. */
export const secondsAlone = (milliseconds: number): number =>
  Math.min(Math.max(Math.ceil(milliseconds / 1000), 60), 2 ** 32 - 1)
