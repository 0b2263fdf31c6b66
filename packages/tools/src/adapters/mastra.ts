import { checkInput, optionNames } from "@cordon/core"
import type { StandardSchemaWithJSON } from "@mastra/core/schema"
import { Tool } from "@mastra/core/tools"
import { Schema } from "effect"
import type { ObjectSchema } from "../jsonSchema.ts"
import type { ToolProgress } from "../progress.ts"
import type { PromiseTool, PromiseTools } from "../promise/PromiseTool.ts"
import type { ToolResult } from "../Tool.ts"
import { approvalOf, approvalShape, type ToolApproval } from "./approval.ts"
import { schemaOf, withSignal } from "./calls.ts"

export type { ToolApproval } from "./approval.ts"

/** Options of the tools for Mastra. */
export interface MastraOptions {
  /** The calls that wait for approval. Default: none. */
  readonly approval?: ToolApproval
  /** Whether the model must follow the schemas (`strict` of the tools). Default: false. */
  readonly strict?: boolean
}

const shape = optionNames<MastraOptions>({ approval: approvalShape, strict: Schema.Boolean })

/**
 * The tools of a session for Mastra: `tools` of an `Agent`, by name.
 *
 * The model gets a result's `text` and its `pictures`. Progress is written to the stream as `{
 * type: "sandbox-progress", message }`. Aborting the call's `abortSignal` kills the running
 * command.
 *
 * @example
 * import { mastraTools } from "@cordon/tools/mastra"
 * import { Agent } from "@mastra/core/agent"
 *
 * const agent = new Agent({
 *   id: "coder",
 *   name: "Coder",
 *   instructions: "You are a careful programmer.",
 *   model: "anthropic/claude-sonnet-4-5",
 *   tools: mastraTools(toolset, { approval: "destructive" }),
 * })
 */
export const mastraTools = (
  { tools }: PromiseTools,
  options: MastraOptions = {},
): Record<string, Tool<unknown, ToolResult>> => {
  checkInput("options of mastraTools", shape, options)
  return Object.fromEntries(tools.map((tool) => [tool.name, mastraTool(tool, options)]))
}

const mastraTool = (tool: PromiseTool, { approval, strict }: MastraOptions) => {
  const { name, title, description, execute } = tool
  const needed = approvalOf(approval, tool)
  return new Tool<unknown, ToolResult>({
    id: name,
    title,
    description,
    inputSchema: unchecked(schemaOf(tool, strict)),
    ...(strict ? { strict: true } : {}),
    ...(needed === false ? {} : { requireApproval: needed }),
    execute: (input, { abortSignal, writer }) =>
      execute(input, {
        ...withSignal(abortSignal),
        // No message is written if the reader is gone.
        ...(writer === undefined
          ? {}
          : {
              onProgress: ({ message }: ToolProgress) =>
                void writer.write({ type: "sandbox-progress", message }).catch(() => {}),
            }),
      }),
    toModelOutput: modelOutput,
  })
}

const modelOutput = (result: ToolResult) => {
  const { ok, text } = result
  if (!ok) return { type: "error-text", value: text }
  if (result.pictures === undefined) return { type: "text", value: text }
  const pictures = result.pictures.map(({ mediaType, data }) => ({
    type: "media",
    mediaType,
    data,
  }))
  return { type: "content", value: [{ type: "text", text }, ...pictures] }
}

/** Only for the model. The tool itself validates its input, and tells the model what to correct. */
const unchecked = (schema: ObjectSchema): StandardSchemaWithJSON<unknown> => ({
  "~standard": {
    version: 1,
    vendor: "cordon",
    validate: (value) => ({ value }),
    jsonSchema: { input: () => schema, output: () => schema },
  },
})
