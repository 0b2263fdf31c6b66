import { Effect } from "effect"
import type { DriverCapabilities } from "../driver/capabilities.ts"
import { unenforced } from "../Policy.ts"
import type { Limits } from "../values/Limits.ts"

/** Warns that a host only records the limits of a sandbox. */
export type WarnUnenforced = (limits: Limits, host: DriverCapabilities) => Effect.Effect<void>

/** Warns once. A driver without processes has nothing that limits could limit. */
export const makeUnenforcedWarning = (): WarnUnenforced => {
  let told = false
  return (limits, host) =>
    Effect.suspend(() => {
      const lacking = unenforced(limits, host)
      if (told || lacking.length === 0 || !host.features.includes("processes")) return Effect.void
      told = true
      return Effect.logWarning(
        `The host does not enforce the limits of ${lacking.join(", ")}: a program in a sandbox can use all of these resources. cordon doctor shows why; the setting requireLimits refuses such hosts.`,
        { host: host.host },
      )
    })
}
