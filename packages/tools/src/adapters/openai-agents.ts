import { checkInput, optionNames } from "@cordon/core"
import { type Tool, tool } from "@openai/agents"
import { Schema } from "effect"
import type { PromiseTool, PromiseTools } from "../promise/PromiseTool.ts"
import type { ToolResult } from "../Tool.ts"
import { approvalOf, approvalShape, type ToolApproval } from "./approval.ts"
import { withSignal } from "./calls.ts"

export type { ToolApproval } from "./approval.ts"

/** Options of the tools for the OpenAI Agents SDK. */
export interface OpenAiAgentsOptions {
  /**
   * Whether the model must follow the schemas. Every field is then required, and an optional field
   * may be null. Default: true.
   */
  readonly strict?: boolean
  /** The calls that interrupt the run until they are approved. Default: none. */
  readonly approval?: ToolApproval
}

const shape = optionNames<OpenAiAgentsOptions>({ approval: approvalShape, strict: Schema.Boolean })

/**
 * The tools of a session for the OpenAI Agents SDK: `tools` of an `Agent`.
 *
 * Aborting the run's `signal` kills the command that runs.
 *
 * @example
 * import { openaiAgentsTools } from "@cordon/tools/openai-agents"
 * import { Agent, run } from "@openai/agents"
 *
 * const agent = new Agent({ name: "Coder", model: "gpt-5", tools: openaiAgentsTools(toolset) })
 * await run(agent, "Write a program that sums numbers, and test it.")
 */
export const openaiAgentsTools = (
  { tools }: PromiseTools,
  options: OpenAiAgentsOptions = {},
): Array<Tool> => {
  checkInput("options of openaiAgentsTools", shape, options)
  return tools.map((each) => agentsTool(each, options))
}

const agentsTool = (each: PromiseTool, { strict = true, approval }: OpenAiAgentsOptions): Tool => {
  const { name, description, inputSchema, strictInputSchema, execute } = each
  const needed = approvalOf(approval, each)
  const common = {
    name,
    description,
    needsApproval:
      typeof needed === "boolean" ? needed : (_: unknown, input: unknown) => needed(input),
    execute: async (
      input: unknown,
      _: unknown,
      details: { readonly signal?: AbortSignal } | undefined,
    ) => outputOf(await execute(input, withSignal(details?.signal))),
    // Only an abort rejects: it is not a result for the model.
    errorFunction: null,
  }
  return strict
    ? tool({ ...common, strict: true, parameters: strictInputSchema })
    : tool({
        ...common,
        strict: false,
        // Without strict mode the SDK does not support closed objects. The tool itself refuses
        // unknown fields.
        parameters: { ...inputSchema, additionalProperties: true as const },
      })
}

/** Text, and pictures if there are any. */
const outputOf = (result: ToolResult) =>
  result.ok && result.pictures !== undefined
    ? [
        { type: "text" as const, text: result.text },
        ...result.pictures.map(({ mediaType, data }) => ({
          type: "image" as const,
          image: { data, mediaType },
        })),
      ]
    : result.text
