import "@cordon/core"
import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool"
import type { PromiseSandbox } from "@cordon/core"
import { bashTool } from "./anthropic/bash.ts"
import { editorTool } from "./anthropic/editor.ts"

export { type AnthropicWorkerOptions, anthropicWorkerTools } from "./anthropic/worker.ts"

/** Options of Anthropic's tools in a sandbox. */
export interface AnthropicSandboxOptions {
  /**
   * The most characters that a view shows: `max_characters` of the text editor. Default: 100,000.
   * The output of commands is cut at the `outputLimit` of the sandbox's settings.
   */
  readonly maxCharacters?: number
}

/**
 * Anthropic's bash tool (`bash_20250124`) and text editor (`text_editor_20250728`) in a sandbox: `tools`
 * of `client.beta.messages.toolRunner`.
 *
 * The bash tool keeps its folder, variables and functions between commands; each of them gets the
 * `execTimeout` of the sandbox's settings. The SDK's runner of sessions calls the tool's `close`, which
 * ends its shell; with any other loop the shell ends with the sandbox.
 *
 * @example
 * import Anthropic from "@anthropic-ai/sdk"
 * import { anthropicSandbox } from "@cordon/slots/anthropic"
 *
 * const message = await new Anthropic().beta.messages.toolRunner({
 *   model: "claude-sonnet-4-5",
 *   max_tokens: 16_000,
 *   tools: anthropicSandbox(sandbox),
 *   messages: [{ role: "user", content: "Fix the syntax error in primes.py." }],
 * })
 */
export const anthropicSandbox = (
  sandbox: PromiseSandbox,
  { maxCharacters = 100_000 }: AnthropicSandboxOptions = {},
): Array<BetaRunnableTool<unknown>> => [bashTool(sandbox), editorTool(sandbox, maxCharacters)]
