import type { SandboxId } from "@cordon/core"

/** A container that was found to be the sandbox. */
export interface Target {
  /** The sandbox's ID. */
  readonly id: SandboxId
  /** The container's ID. */
  readonly instanceId: string
  /** The default user of commands: a name or a number, optionally with `:group`. Root if absent. */
  readonly user?: string | undefined
  /** The default working folder of commands. */
  readonly cwd?: string | undefined
}
