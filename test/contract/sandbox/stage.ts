import type { Feature, SandboxDriver, Sandboxes, SettingsInput } from "@cordon/core"
import type { Layer } from "effect"
import type { Check } from "../../support/onLayer.ts"

/** What a driver may lack, with the reason that its skipped tests give. */
export type Lacks = { readonly [feature in Feature]?: string } & {
  readonly permissions?: string
  readonly specialFiles?: string
  /** Root inside can't write to what other users have open. */
  readonly rootForges?: string
  /** A limit of processes that holds whatever happens. */
  readonly pidsLimit?: string
  /** Sandboxes with a way out to this machine. */
  readonly wayOut?: string
}

/** What features are tested on. */
export interface FeatureOptions {
  readonly layer: Layer.Layer<SandboxDriver, { readonly message: string }>
  readonly image: string
  /** Why none of it can run here; undefined where it can. */
  readonly unavailable?: string | undefined
  readonly settings?: SettingsInput
  /** Milliseconds for each test, where the usual ones are too few. */
  readonly timeout?: number
  readonly lacks?: Lacks
}

/** What each part of the contract gets. */
export interface FeatureStage {
  readonly check: Check<Sandboxes | SandboxDriver>
  /** A program that uses sandboxes. Built afresh it is another program. */
  readonly layer: Layer.Layer<Sandboxes, { readonly message: string }>
  readonly image: string
  readonly lacks: Lacks
}
