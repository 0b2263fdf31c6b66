import { layer as withLayer } from "@effect/vitest"
import { Effect, type Layer, type Scope } from "effect"
import { skipped } from "./skipped.ts"

/** A test with a layer's services; `lack` is why it is skipped. */
export type Check<R> = (
  name: string,
  body: () => Effect.Effect<unknown, unknown, R | Scope.Scope>,
  lack?: string,
) => void

/** The same layer for all of a suite's tests. Nothing is built where the suite can't run. */
export const onLayer = <R, E>(
  layer: Layer.Layer<R, E>,
  options: { readonly unavailable: string | undefined; readonly timeout?: number | undefined },
  suite: (check: Check<R>) => void,
): void => {
  const { unavailable, timeout } = options
  if (unavailable !== undefined) {
    suite((name) => skipped(name, unavailable))
    return
  }
  withLayer(layer, { excludeTestServices: true })((it) =>
    suite((name, body, lack) => {
      if (lack !== undefined) return skipped(name, lack)
      it.effect(name, () => Effect.asVoid(Effect.scoped(body())), timeout)
    }),
  )
}
