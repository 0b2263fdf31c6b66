import { type SandboxDriver, Sandboxes } from "@cordon/core"
import { Layer } from "effect"
import { type Check, onLayer } from "../support/onLayer.ts"

/** What a part of the features is tested on, where a driver does not run all of them. */
export interface SuiteOptions {
  readonly layer: Layer.Layer<SandboxDriver, { readonly message: string }>
  readonly image: string
  /** Why none of it can run here; undefined where it can. */
  readonly unavailable?: string | undefined
  readonly timeout?: number
}

type SandboxesLayer = Layer.Layer<Sandboxes, { readonly message: string }>

/** A suite of its own, with small sandboxes that have no network. */
export const sandboxSuite = (
  title: string,
  { image, unavailable, timeout, layer: driver }: SuiteOptions,
  suite: (check: Check<Sandboxes>, layer: SandboxesLayer) => void,
): void => {
  const settings = { image, network: "none", limits: { memory: "64MiB", cpus: 0.5 } } as const
  const layer = Layer.provide(Sandboxes.layer(settings), driver)
  onLayer(title, layer, { unavailable, timeout }, (check) => suite(check, layer))
}
