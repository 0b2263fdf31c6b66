import { Config, Effect } from "effect"
import { defaultLimits, type LimitsInput, resolveLimits } from "../values/Limits.ts"
import { setting } from "./environment.ts"

/** Reads and checks the default limits of a sandbox. */
export const readLimits = Effect.fnUntraced(function* (input: LimitsInput) {
  const given = yield* Effect.all({
    disk: setting(input.disk, Config.String, "DISK", undefined),
    memory: setting(input.memory, Config.String, "MEMORY", defaultLimits.memory),
    cpus: setting(input.cpus, Config.Number, "CPUS", defaultLimits.cpus),
    pids: setting(input.pids, Config.Number, "PIDS", defaultLimits.pids),
  })
  return yield* resolveLimits(given)
})
