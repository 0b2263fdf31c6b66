import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool"
import type {
  ContentBlock,
  Tool,
  ToolResultBlockParam,
} from "@anthropic-ai/sdk/resources/messages/messages"
import type { PromiseTool, PromiseToolset } from "../promise.ts"
import { toolNamed, withSignal } from "./calls.ts"

/**
 * The tools of a session for Anthropic's Messages API: `tools` of `client.messages.create`.
 * {@link anthropicToolResults} runs what the model calls.
 */
export const anthropicTools = ({ tools }: PromiseToolset): Array<Tool> => tools.map(definition)

/**
 * Runs the sandbox tools that a message uses, all at once, and gives back the content of the user's
 * next message; nothing where it uses none. Uses of other tools are left to you.
 *
 * @param options.signal kills the commands that run; the promise then rejects with its reason
 */
export const anthropicToolResults = async (
  toolset: PromiseToolset,
  content: ReadonlyArray<ContentBlock>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Array<ToolResultBlockParam>> => {
  const results = content.map(async (block): Promise<Array<ToolResultBlockParam>> => {
    const tool = block.type === "tool_use" ? toolNamed(toolset, block.name) : undefined
    if (tool === undefined || block.type !== "tool_use") return []
    const { ok, text } = await tool.execute(block.input, options)
    return [{ type: "tool_result", tool_use_id: block.id, content: text, is_error: !ok }]
  })
  return (await Promise.all(results)).flat()
}

/** The tools for the Anthropic SDK's own loop: `tools` of `client.beta.messages.toolRunner`. */
export const anthropicRunnableTools = ({
  tools,
}: PromiseToolset): Array<BetaRunnableTool<unknown>> =>
  tools.map((tool) => ({
    ...definition(tool),
    // The tool itself checks its input, and tells the model what to mend.
    parse: (input) => input,
    run: async (input, context) => {
      const result = await tool.execute(input, withSignal(context?.signal))
      if (result.ok) return result.text
      // The runner makes of it a result with is_error: "Error: " and the message, which is our text.
      throw new Error(result.error.message)
    },
  }))

const definition = ({ name, description, inputSchema }: PromiseTool) => ({
  name,
  description,
  input_schema: inputSchema,
})
