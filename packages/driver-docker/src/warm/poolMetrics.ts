import { Effect, Metric } from "effect"

const ready = Metric.gauge("cordon.pool.ready", {
  description: "What was made ahead and waits for a session, by what it is",
})
const claims = Metric.counter("cordon.pool.claims", {
  description: "Creations that asked for a ready container, by whether one fitted",
  incremental: true,
})

/** Tells how many are ready now. By what changed since, so that the pools of a process add up. */
export const makeReadyCount = (what: "container" | "network", count: () => number) => {
  let told = 0
  return Effect.suspend(() => {
    const change = count() - told
    told += change
    return Metric.modify(Metric.withAttributes(ready, { what }), change)
  })
}

export const countClaim = (outcome: "hit" | "miss") =>
  Metric.update(Metric.withAttributes(claims, { outcome }), 1)
