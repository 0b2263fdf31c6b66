import { Effect } from "effect"
import { Unsupported } from "../errors.ts"
import type { Feature } from "./capabilities.ts"

/** The methods of a driver that has none of the features that a driver may lack. */
export const unsupportedFeatures = (driver: string) => {
  const refuse = (feature: Feature) => () => Effect.fail(new Unsupported({ feature, driver }))
  return {
    pause: refuse("pause"),
    resume: refuse("pause"),
    terminal: refuse("terminals"),
    startProcess: refuse("processes"),
    listProcesses: refuse("processes"),
    attachProcess: refuse("processes"),
    endProcess: refuse("processes"),
    dial: refuse("ports"),
    listen: refuse("ports"),
    stats: refuse("stats"),
    snapshot: refuse("snapshots"),
    snapshots: refuse("snapshots"),
    removeSnapshot: refuse("snapshots"),
    egressAttempts: refuse("egress"),
  }
}
