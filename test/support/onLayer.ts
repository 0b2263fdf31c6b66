import { layer as withLayer } from "@effect/vitest"
import { Effect, type Layer, type Scope } from "effect"
import { describe } from "vitest"
import { skipped } from "./skipped.ts"

/** A test with a layer's services; `lack` is why it is skipped. */
export type Check<R> = (
  name: string,
  body: () => Effect.Effect<unknown, unknown, R | Scope.Scope>,
  lack?: string,
) => void

/**
 * A suite whose tests all have the same layer. Nothing is built where the suite can't run.
 *
 * It has a title of its own, since without one the layer would be closed by counting tests: too early
 * where one is tried again, or stands beside suites of its own.
 */
export const onLayer = <R, E>(
  title: string,
  layer: Layer.Layer<R, E>,
  options: { readonly unavailable: string | undefined; readonly timeout?: number | undefined },
  suite: (check: Check<R>) => void,
): void => {
  const { unavailable, timeout } = options
  if (unavailable !== undefined) {
    describe(title, () => suite((name) => skipped(name, unavailable)))
    return
  }
  withLayer(layer, { excludeTestServices: true })(title, (it) =>
    suite((name, body, lack) => {
      if (lack !== undefined) return skipped(name, lack)
      it.effect(name, () => Effect.asVoid(Effect.scoped(body())), timeout)
    }),
  )
}
