import type { SandboxId } from "@cordon/core"

/** A container that was found to be the sandbox. */
export interface Target {
  readonly id: SandboxId
  /** The container's ID. */
  readonly instanceId: string
  /** The user of commands that name none: a name or a number, either with `:group`; root where absent. */
  readonly user?: string | undefined
  /** The folder of commands that name none. */
  readonly cwd?: string | undefined
}
