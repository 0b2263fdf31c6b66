import { Schema } from "effect"
import type { ToolInfo } from "../Tool.ts"

/**
 * The calls that a person must approve before they run: the calls of every tool that may destroy
 * something (`destructive`), all calls, or calls that you choose by tool and input. `sandbox_exec`
 * counts as destructive, since the effect of a command is not known in advance.
 */
export type ToolApproval =
  | "destructive"
  | "all"
  | ((tool: ToolInfo, input: unknown) => boolean | Promise<boolean>)

export const approvalShape = Schema.declare(
  (value): value is ToolApproval =>
    value === "destructive" || value === "all" || typeof value === "function",
  { expected: '"destructive", "all", or a function of the tool and its input' },
)

/** Whether a tool's calls need approval: always, never, or by their input. */
export const approvalOf = (
  approval: ToolApproval | undefined,
  tool: ToolInfo,
): boolean | ((input: unknown) => Promise<boolean>) => {
  if (approval === undefined) return false
  if (approval === "all") return true
  if (approval === "destructive") return tool.annotations.destructive
  return async (input) => await approval(tool, input)
}
