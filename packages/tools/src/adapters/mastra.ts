import type { StandardSchemaWithJSON } from "@mastra/core/schema"
import { Tool } from "@mastra/core/tools"
import type { ObjectSchema } from "../jsonSchema.ts"
import type { PromiseTool, PromiseToolset } from "../promise.ts"
import type { ToolResult } from "../Tool.ts"
import { withSignal } from "./calls.ts"

/**
 * The tools of a session for Mastra: `tools` of an `Agent`, by name.
 *
 * The model reads a result's `text`. Aborting the call's `abortSignal` kills the command that runs.
 */
export const mastraTools = ({ tools }: PromiseToolset): Record<string, Tool<unknown, ToolResult>> =>
  Object.fromEntries(tools.map((tool) => [tool.name, mastraTool(tool)]))

const mastraTool = ({ name, title, description, inputSchema, execute }: PromiseTool) =>
  new Tool<unknown, ToolResult>({
    id: name,
    title,
    description,
    inputSchema: unchecked(inputSchema),
    execute: (input, context) => execute(input, withSignal(context.abortSignal)),
    toModelOutput: (output) => ({ type: output.ok ? "text" : "error-text", value: output.text }),
  })

/** For the model to see. The tool itself checks its input, and tells the model what to mend. */
const unchecked = (schema: ObjectSchema): StandardSchemaWithJSON<unknown> => ({
  "~standard": {
    version: 1,
    vendor: "cordon",
    validate: (value) => ({ value }),
    jsonSchema: { input: () => schema, output: () => schema },
  },
})
