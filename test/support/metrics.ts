import { Effect, Metric } from "effect"

/** What a metric counts, by the value of its one attribute. */
export const valuesOf = (id: string) =>
  Effect.map(Metric.snapshot, (snapshots) =>
    Object.fromEntries(
      snapshots
        .filter((snapshot) => snapshot.id === id)
        .map(({ attributes = {}, state }) => [
          Object.values(attributes).join(),
          "count" in state
            ? Number(state.count)
            : "value" in state
              ? Number(state.value)
              : undefined,
        ]),
    ),
  )
