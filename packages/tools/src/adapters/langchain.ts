import { ToolMessage } from "@langchain/core/messages"
import { DynamicStructuredTool, type ToolRunnableConfig } from "@langchain/core/tools"
import type { PromiseToolset } from "../promise.ts"
import { withSignal } from "./calls.ts"

/**
 * The tools of a session for LangChain and LangGraph: `tools` of `createAgent`, `bindTools` or a
 * `ToolNode`.
 *
 * A failure is a `ToolMessage` with status "error". The whole result is the message's `artifact`.
 * Aborting the config's `signal` kills the command that runs.
 */
export const langchainTools = ({ tools }: PromiseToolset): Array<DynamicStructuredTool> =>
  tools.map(
    ({ name, description, inputSchema, execute }) =>
      new DynamicStructuredTool({
        name,
        description,
        schema: inputSchema,
        // LangChain checks the input before the tool can: let the model read what is wrong with it.
        verboseParsingErrors: true,
        responseFormat: "content_and_artifact",
        func: async (input: unknown, _, config?: ToolRunnableConfig) => {
          const result = await execute(input, withSignal(config?.signal))
          const id = config?.toolCall?.id
          if (result.ok || id === undefined) return [result.text, result]
          const { text: content } = result
          const message = {
            name,
            content,
            tool_call_id: id,
            status: "error",
            artifact: result,
          } as const
          return [new ToolMessage(message), result]
        },
      }),
  )
