import type { RunnerFunction } from "openai/helpers/responses-tool-runner"
import type { RunnableToolFunctionWithoutParse } from "openai/lib/RunnableFunction"
import type {
  FunctionTool,
  ResponseInputItem,
  ResponseOutputItem,
} from "openai/resources/responses/responses"
import type { PromiseTool, PromiseToolset } from "../promise.ts"
import { parseArguments, toolNamed, withSignal } from "./calls.ts"

/**
 * The tools of a session for OpenAI's Responses API: `tools` of `client.responses.create`.
 * {@link openaiToolOutputs} runs what the model calls.
 */
export const openaiTools = ({ tools }: PromiseToolset): Array<FunctionTool> => tools.map(definition)

/**
 * Runs the sandbox tools that a response calls, all at once, and gives back what to send as `input`
 * of the next request; nothing where it calls none. Calls of other tools are left to you.
 *
 * @param options.signal kills the commands that run; the promise then rejects with its reason
 */
export const openaiToolOutputs = async (
  toolset: PromiseToolset,
  output: ReadonlyArray<ResponseOutputItem>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Array<ResponseInputItem.FunctionCallOutput>> => {
  const outputs = output.map(async (item) => {
    const tool = item.type === "function_call" ? toolNamed(toolset, item.name) : undefined
    if (tool === undefined || item.type !== "function_call") return []
    const { text } = await tool.execute(parseArguments(item.arguments), options)
    return [{ type: "function_call_output" as const, call_id: item.call_id, output: text }]
  })
  return (await Promise.all(outputs)).flat()
}

/**
 * The tools for the OpenAI SDK's own loop over the Responses API:
 * `new ResponsesToolRunner({ functions })`. That runs calls one after the other.
 */
export const openaiRunnerFunctions = ({ tools }: PromiseToolset): Array<RunnerFunction> =>
  tools.map((tool) => ({
    tool: definition(tool),
    execute: async (input, options) =>
      (await tool.execute(input, withSignal(options?.signal))).text,
  }))

/**
 * The tools for the Chat Completions API: `tools` of `client.chat.completions.runTools`, and of
 * whatever speaks that API.
 */
export const openaiChatTools = ({
  tools,
}: PromiseToolset): Array<RunnableToolFunctionWithoutParse> =>
  tools.map((tool) => ({
    type: "function",
    function: {
      ...functionOf(tool),
      function: async (input, { controller }) =>
        (await tool.execute(parseArguments(input), { signal: controller.signal })).text,
    },
  }))

const functionOf = ({ name, description, inputSchema }: PromiseTool) => ({
  name,
  description,
  parameters: inputSchema,
  // Strict mode knows no optional fields.
  strict: false,
})

const definition = (tool: PromiseTool): FunctionTool => ({ type: "function", ...functionOf(tool) })
