import { Effect, Metric } from "effect"

const ready = Metric.gauge("cordon.pool.ready", {
  description: "What was made ahead and waits for a session, by what it is",
})
const claims = Metric.counter("cordon.pool.claims", {
  description: "Creations that asked for a ready container, by whether one fitted",
  incremental: true,
})

/**
 * Updates the metric of ready things. It adds the change since the last update, so that the pools
 * of one process add up.
 */
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
