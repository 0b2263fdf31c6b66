import { checkInput, optionNames } from "@cordon/core"
import type { CallbackManagerForToolRun } from "@langchain/core/callbacks/manager"
import { ToolMessage } from "@langchain/core/messages"
import { DynamicStructuredTool, type ToolRunnableConfig } from "@langchain/core/tools"
import { Schema } from "effect"
import type { PromiseTool, PromiseTools } from "../promise/PromiseTool.ts"
import { nullableSchemaOf } from "../strict.ts"
import type { ToolInfo, ToolResult } from "../Tool.ts"
import { approvalShape } from "./approval.ts"
import { withSignal } from "./calls.ts"
import { withProgress } from "./progress.ts"

/** Options of the tools for LangChain. */
export interface LangChainOptions {
  /** Whether the schemas fit `bindTools(tools, { strict: true })`. Default: false. */
  readonly strict?: boolean
}

const shape = optionNames<LangChainOptions>({ strict: Schema.Boolean })

/**
 * The tools of a session for LangChain and LangGraph: `tools` of `createAgent`, `bindTools` or a
 * `ToolNode`.
 *
 * A failure is a `ToolMessage` with status "error". The whole result is the message's `artifact`; a
 * picture is a block of its content. Events of the tool report progress (`handleToolEvent`, the
 * stream mode "tools"). Aborting the config's `signal` kills the running command.
 *
 * @example
 * import { langchainTools } from "@cordon/tools/langchain"
 * import { createAgent } from "langchain"
 *
 * const agent = createAgent({ model: "anthropic:claude-sonnet-4-5", tools: langchainTools(toolset) })
 */
export const langchainTools = (
  { tools }: PromiseTools,
  options: LangChainOptions = {},
): Array<DynamicStructuredTool> => {
  checkInput("options of langchainTools", shape, options)
  return tools.map((tool) => langchainTool(tool, options))
}

const langchainTool = (tool: PromiseTool, { strict }: LangChainOptions) => {
  const { name, description, inputSchema, strictInputSchema } = tool
  return new DynamicStructuredTool({
    name,
    description,
    schema: strict ? strictInputSchema : nullableSchemaOf(inputSchema),
    // LangChain validates the input before the tool does. This shows the problem to the model.
    verboseParsingErrors: true,
    responseFormat: "content_and_artifact",
    func: async function* (
      input: unknown,
      _?: CallbackManagerForToolRun,
      config?: ToolRunnableConfig,
    ) {
      for await (const step of withProgress(tool, input, withSignal(config?.signal))) {
        if ("result" in step) return answer(name, step.result, config?.toolCall?.id)
        yield step
      }
      throw new Error("a call that ended without a result")
    },
  })
}

const answer = (name: string, result: ToolResult, id: string | undefined) => {
  const { text: content } = result
  if (result.ok) return [contentOf(result), result]
  if (id === undefined) return [content, result]
  const message = {
    name,
    content,
    tool_call_id: id,
    status: "error",
    artifact: result,
  } as const
  return [new ToolMessage(message), result]
}

/** Text, and pictures if there are any. */
const contentOf = (result: ToolResult & { readonly ok: true }) =>
  result.pictures === undefined
    ? result.text
    : [
        { type: "text", text: result.text },
        ...result.pictures.map(({ mediaType, data }) => ({
          type: "image",
          source_type: "base64",
          mime_type: mediaType,
          mimeType: mediaType,
          data,
        })),
      ]

/**
 * The tools that need a person's approval: `interruptOn` of LangChain's human-in-the-loop
 * middleware.
 *
 * @example
 * import { langchainInterruptOn } from "@cordon/tools/langchain"
 *
 * // Of the middleware: humanInTheLoopMiddleware({ interruptOn })
 * const interruptOn = langchainInterruptOn(toolset, "destructive")
 */
export const langchainInterruptOn = (
  { tools }: PromiseTools,
  approval: "destructive" | "all" | ((tool: ToolInfo) => boolean),
): Record<string, boolean> => {
  checkInput("approval of langchainInterruptOn", approvalShape, approval)
  const needs = (tool: ToolInfo) =>
    typeof approval === "function"
      ? approval(tool)
      : approval === "all" || tool.annotations.destructive
  return Object.fromEntries(tools.map((tool) => [tool.name, needs(tool)]))
}
