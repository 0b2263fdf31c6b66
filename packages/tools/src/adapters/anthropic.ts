import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool"
import type {
  ContentBlock,
  Tool,
  ToolResultBlockParam,
} from "@anthropic-ai/sdk/resources/messages/messages"
import { checkInput, optionNames } from "@cordon/core"
import { Schema } from "effect"
import type { PromiseTool, PromiseTools } from "../promise/PromiseTool.ts"
import type { ToolResult } from "../Tool.ts"
import {
  optionsOf,
  type RunCallsOptions,
  runCallsShape,
  schemaOf,
  toolNamed,
  withSignal,
} from "./calls.ts"

export type { RunCallsOptions } from "./calls.ts"

/** Options of the tools for Anthropic's API. */
export interface AnthropicOptions {
  /** Whether the model must follow the schemas (`strict` of the tools). Default: false. */
  readonly strict?: boolean
}

const shape = optionNames<AnthropicOptions>({ strict: Schema.Boolean })

/**
 * The tools of a session for Anthropic's Messages API: `tools` of `client.messages.create`. {@link
 * anthropicToolResults} runs the model's calls.
 *
 * @example
 * import Anthropic from "@anthropic-ai/sdk"
 * import { anthropicTools } from "@cordon/tools/anthropic"
 *
 * const message = await new Anthropic().messages.create({
 *   model: "claude-sonnet-4-5",
 *   max_tokens: 16_000,
 *   tools: anthropicTools(toolset),
 *   messages: [{ role: "user", content: "Write a program that sums numbers, and test it." }],
 * })
 */
export const anthropicTools = (
  { tools }: PromiseTools,
  options: AnthropicOptions = {},
): Array<Tool> => {
  checkInput("options of anthropicTools", shape, options)
  return tools.map((tool) => definition(tool, options))
}

/**
 * Runs the sandbox tools that a message uses, all at once, and gives back the content of the user's
 * next message; nothing where it uses none. Uses of other tools are left to you.
 *
 * @example
 * import type { Message } from "@anthropic-ai/sdk/resources/messages/messages"
 * import { anthropicToolResults } from "@cordon/tools/anthropic"
 *
 * const answer = async (message: Message) => ({
 *   role: "user",
 *   content: await anthropicToolResults(toolset, message.content),
 * })
 */
export const anthropicToolResults = async (
  toolset: PromiseTools,
  content: ReadonlyArray<ContentBlock>,
  options: RunCallsOptions = {},
): Promise<Array<ToolResultBlockParam>> => {
  checkInput("options of anthropicToolResults", runCallsShape, options)
  const results = content.map(async (block): Promise<Array<ToolResultBlockParam>> => {
    const tool = block.type === "tool_use" ? toolNamed(toolset, block.name) : undefined
    if (tool === undefined || block.type !== "tool_use") return []
    const result = await tool.execute(block.input, optionsOf(block.id, options))
    const content = contentOf(result)
    return [{ type: "tool_result", tool_use_id: block.id, content, is_error: !result.ok }]
  })
  return (await Promise.all(results)).flat()
}

/**
 * The tools for the Anthropic SDK's own loop: `tools` of `client.beta.messages.toolRunner`.
 *
 * @example
 * import Anthropic from "@anthropic-ai/sdk"
 * import { anthropicRunnableTools } from "@cordon/tools/anthropic"
 *
 * const message = await new Anthropic().beta.messages.toolRunner({
 *   model: "claude-sonnet-4-5",
 *   max_tokens: 16_000,
 *   tools: anthropicRunnableTools(toolset),
 *   messages: [{ role: "user", content: "Write a program that sums numbers, and test it." }],
 * })
 */
export const anthropicRunnableTools = (
  { tools }: PromiseTools,
  options: AnthropicOptions = {},
): Array<BetaRunnableTool<unknown>> => {
  checkInput("options of anthropicRunnableTools", shape, options)
  return tools.map((tool) => ({
    ...definition(tool, options),
    // The tool itself validates its input, and tells the model what to correct.
    parse: (input) => input,
    run: async (input, context) => {
      const result = await tool.execute(input, withSignal(context?.signal))
      if (result.ok) return contentOf(result)
      // The runner turns it into a result with is_error: "Error: " and the message, which is our text.
      throw new Error(result.error.message)
    },
  }))
}

const definition = (tool: PromiseTool, { strict }: AnthropicOptions) => ({
  name: tool.name,
  description: tool.description,
  input_schema: schemaOf(tool, strict),
  ...(strict ? { strict: true } : {}),
})

/** Text, and pictures if there are any. */
const contentOf = (result: ToolResult) =>
  result.ok && result.pictures !== undefined
    ? [
        { type: "text" as const, text: result.text },
        ...result.pictures.map(({ mediaType, data }) => ({
          type: "image" as const,
          source: { type: "base64" as const, media_type: mediaType, data },
        })),
      ]
    : result.text
