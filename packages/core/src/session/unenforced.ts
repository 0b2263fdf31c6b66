import { Effect } from "effect"
import { unenforced } from "../Policy.ts"
import type { DriverCapabilities } from "../SandboxDriver.ts"
import type { Limits } from "../values/Limits.ts"

/**
 * Warns, once, that a host only records the limits of a sandbox. A driver without processes has
 * nothing that they could limit.
 */
export const makeUnenforcedWarning = () => {
  let told = false
  return (limits: Limits, host: DriverCapabilities): Effect.Effect<void> =>
    Effect.suspend(() => {
      const lacking = unenforced(limits, host)
      if (told || lacking.length === 0 || !host.features.includes("processes")) return Effect.void
      told = true
      return Effect.logWarning(
        `The host does not enforce the limits of ${lacking.join(", ")}: what runs in a sandbox may take all of it. cordon doctor says why; requireLimits refuses such hosts.`,
        { host: host.host },
      )
    })
}
