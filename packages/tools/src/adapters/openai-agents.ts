import { checkInput, optionNames } from "@cordon/core"
import { type Tool, tool } from "@openai/agents"
import { Schema } from "effect"
import type { PromiseTool, PromiseTools } from "../promise/PromiseTool.ts"
import type { ToolResult } from "../Tool.ts"
import { approvalOf, approvalShape, type ToolApproval } from "./approval.ts"
import { withSignal } from "./calls.ts"

export type { ToolApproval } from "./approval.ts"

/** How the tools are offered to the OpenAI Agents SDK. */
export interface OpenAiAgentsOptions {
  /**
   * Whether the model is held to the schemas, in which every field is then required and one that may
   * be left out may be null. On by default.
   */
  readonly strict?: boolean
  /** Which calls interrupt the run until they are approved; none by default. */
  readonly approval?: ToolApproval
}

const shape = optionNames<OpenAiAgentsOptions>({ approval: approvalShape, strict: Schema.Boolean })

/**
 * The tools of a session for the OpenAI Agents SDK: `tools` of an `Agent`.
 *
 * Aborting the run's `signal` kills the command that runs.
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
    // Only an abort rejects: that is no result for a model to read.
    errorFunction: null,
  }
  return strict
    ? tool({ ...common, strict: true, parameters: strictInputSchema })
    : tool({
        ...common,
        strict: false,
        // Without strict mode it knows no closed objects. The tool itself refuses what it does not know.
        parameters: { ...inputSchema, additionalProperties: true as const },
      })
}

/** Text, and pictures to look at where there are some. */
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
