import type { SandboxId } from "@cordon/core"

/** A container that was seen to be the sandbox. */
export interface Target {
  readonly id: SandboxId
  readonly instanceId: string
  /** As whom commands run that do not say: a name or a number, either with `:group`; root where absent. */
  readonly user?: string
  /** Where commands run that do not say. */
  readonly cwd?: string
}
