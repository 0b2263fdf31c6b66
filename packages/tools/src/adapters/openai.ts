import { checkInput, optionNames } from "@cordon/core"
import { Schema } from "effect"
import type { RunnerFunction } from "openai/helpers/responses-tool-runner"
import type { RunnableToolFunctionWithoutParse } from "openai/lib/RunnableFunction"
import type {
  FunctionTool,
  ResponseInputItem,
  ResponseOutputItem,
} from "openai/resources/responses/responses"
import type { PromiseTool, PromiseTools } from "../promise/PromiseTool.ts"
import type { ToolResult } from "../Tool.ts"
import {
  optionsOf,
  parseArguments,
  type RunCallsOptions,
  runCallsShape,
  schemaOf,
  toolNamed,
  withSignal,
} from "./calls.ts"

export type { RunCallsOptions } from "./calls.ts"

/** Options of the tools for OpenAI's API. */
export interface OpenAiOptions {
  /**
   * Whether the model must follow the schemas. Every field is then required, and an optional field
   * may be null. Default: true. Other providers' servers of this API may not support it.
   */
  readonly strict?: boolean
}

const shape = optionNames<OpenAiOptions>({ strict: Schema.Boolean })

/**
 * The tools of a session for OpenAI's Responses API: `tools` of `client.responses.create`. {@link
 * openaiToolOutputs} runs the model's calls.
 *
 * @example
 * import { openaiTools } from "@cordon/tools/openai"
 * import OpenAI from "openai"
 *
 * const response = await new OpenAI().responses.create({
 *   model: "gpt-5",
 *   input: "Write a program that sums numbers, and test it.",
 *   tools: openaiTools(toolset),
 * })
 */
export const openaiTools = (
  { tools }: PromiseTools,
  options: OpenAiOptions = {},
): Array<FunctionTool> => {
  checkInput("options of openaiTools", shape, options)
  return tools.map((tool) => definition(tool, options))
}

/**
 * Runs the sandbox tools that a response calls, all at once, and gives back what to send as `input`
 * of the next request; nothing where it calls none. Calls of other tools are left to you.
 *
 * @example
 * import { openaiToolOutputs } from "@cordon/tools/openai"
 * import type { Response } from "openai/resources/responses/responses"
 *
 * const answer = ({ output }: Response) => openaiToolOutputs(toolset, output)
 */
export const openaiToolOutputs = async (
  toolset: PromiseTools,
  output: ReadonlyArray<ResponseOutputItem>,
  options: RunCallsOptions = {},
): Promise<Array<ResponseInputItem.FunctionCallOutput>> => {
  checkInput("options of openaiToolOutputs", runCallsShape, options)
  const outputs = output.map(async (item) => {
    const tool = item.type === "function_call" ? toolNamed(toolset, item.name) : undefined
    if (tool === undefined || item.type !== "function_call") return []
    const { call_id } = item
    const result = await tool.execute(parseArguments(item.arguments), optionsOf(call_id, options))
    return [{ type: "function_call_output" as const, call_id, output: outputOf(result) }]
  })
  return (await Promise.all(outputs)).flat()
}

/**
 * The tools for the OpenAI SDK's own loop over the Responses API: `new ResponsesToolRunner({
 * functions })`. The runner executes calls one after the other.
 *
 * @example
 * import { openaiRunnerFunctions } from "@cordon/tools/openai"
 *
 * // Of the SDK's own loop: new ResponsesToolRunner({ functions })
 * const functions = openaiRunnerFunctions(toolset)
 */
export const openaiRunnerFunctions = (
  { tools }: PromiseTools,
  options: OpenAiOptions = {},
): Array<RunnerFunction> => {
  checkInput("options of openaiRunnerFunctions", shape, options)
  return tools.map((tool) => ({
    tool: definition(tool, options),
    execute: async (input, context) =>
      outputOf(await tool.execute(input, withSignal(context?.signal))),
  }))
}

/**
 * The tools for the Chat Completions API: `tools` of `client.chat.completions.runTools`, and of
 * compatible clients. A tool's message in this API can't hold a picture: a text names the picture
 * instead.
 *
 * @example
 * import { openaiChatTools } from "@cordon/tools/openai"
 * import OpenAI from "openai"
 *
 * const runner = new OpenAI().chat.completions.runTools({
 *   model: "gpt-5",
 *   messages: [{ role: "user", content: "Write a program that sums numbers, and test it." }],
 *   tools: openaiChatTools(toolset),
 * })
 */
export const openaiChatTools = (
  { tools }: PromiseTools,
  options: OpenAiOptions = {},
): Array<RunnableToolFunctionWithoutParse> => {
  checkInput("options of openaiChatTools", shape, options)
  return tools.map((tool) => ({
    type: "function",
    function: {
      ...functionOf(tool, options),
      function: async (input, { controller }) =>
        (await tool.execute(parseArguments(input), { signal: controller.signal })).text,
    },
  }))
}

const functionOf = (tool: PromiseTool, { strict = true }: OpenAiOptions) => ({
  name: tool.name,
  description: tool.description,
  parameters: schemaOf(tool, strict),
  strict,
})

const definition = (tool: PromiseTool, options: OpenAiOptions): FunctionTool => ({
  type: "function",
  ...functionOf(tool, options),
})

/** Text, and pictures if there are any. */
const outputOf = (result: ToolResult) =>
  result.ok && result.pictures !== undefined
    ? [
        { type: "input_text" as const, text: result.text },
        ...result.pictures.map(({ mediaType, data }) => ({
          type: "input_image" as const,
          image_url: `data:${mediaType};base64,${data}`,
        })),
      ]
    : result.text
