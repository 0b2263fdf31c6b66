import { Effect, Metric } from "effect"
import type { SandboxInfo } from "./values/Sandbox.ts"

/** Sandboxes on the host by state, as the last comparison of store and host found them. */
const sandboxes = Metric.gauge("cordon.sandboxes", {
  description: "Sandboxes on the host, by state",
})
const states = ["created", "running", "paused", "stopped", "removing"] as const

export const countSandboxes = (present: ReadonlyArray<SandboxInfo>) =>
  Effect.forEach(
    states,
    (state) =>
      Metric.update(
        Metric.withAttributes(sandboxes, { state }),
        present.filter(({ status }) => status === state).length,
      ),
    { discard: true },
  )

/** From the request to a sandbox that answers, pulls of its image included. */
export const createDuration = Metric.timer("cordon.sandbox.create.duration", {
  description: "Creations, also those that failed",
})

/** From the request to the end of the command. */
export const execDuration = Metric.timer("cordon.sandbox.exec.duration", {
  description: "Commands, also those that failed",
})

const reaps = Metric.counter("cordon.reaps", {
  description: "Leases that ran out, by what was done",
  incremental: true,
})

export const countReap = (action: "stop" | "remove") =>
  Metric.update(Metric.withAttributes(reaps, { action }), 1)

export const leaseLosses = Metric.counter("cordon.lease.losses", {
  description: "Uses that ended because their lease was taken",
  incremental: true,
})
