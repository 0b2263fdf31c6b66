import { LeaseStore, type LeaseStoreFailed } from "@cordon/core"
import { Context, Effect, Layer, type Scope } from "effect"

/** Builds a layer anew, as another process would. */
export const opened = (
  layer: Layer.Layer<LeaseStore, LeaseStoreFailed>,
): Effect.Effect<LeaseStore["Service"], LeaseStoreFailed, Scope.Scope> =>
  Effect.map(Layer.build(Layer.fresh(layer)), (context) => Context.get(context, LeaseStore))

/** Statements that make all dates of a store older: the clock of a database can't be turned. */
export const older = (ms: number) => [
  `UPDATE cordon_leases SET last_used_at = last_used_at - ${ms},
    claimed_until = claimed_until - ${ms}`,
  `UPDATE cordon_turns SET until = until - ${ms}`,
]
