import { jsonSchema, type Tool } from "ai"
import type { PromiseTool, PromiseToolset } from "../promise.ts"
import type { ToolResult } from "../Tool.ts"
import type { ToolInput, ToolName } from "../tools.ts"
import { withSignal } from "./calls.ts"

/** The eight tools as the AI SDK types them: by name, each with its own input. */
export type AiSdkTools = { readonly [Name in ToolName]: Tool<ToolInput<Name>, ToolResult> }

/**
 * The tools of a session for the Vercel AI SDK: `tools` of `generateText`, `streamText` or an agent.
 *
 * The model reads a result's `text`; `output` and `error` are there for the program and its UI.
 * Aborting the call's `abortSignal` kills the command that runs.
 *
 * @example
 * await generateText({ model, tools: aiSdkTools(toolset), stopWhen: isStepCount(20), prompt })
 */
export const aiSdkTools = ({ byName }: PromiseToolset): AiSdkTools => ({
  sandbox_create: aiSdkTool(byName.sandbox_create),
  sandbox_exec: aiSdkTool(byName.sandbox_exec),
  sandbox_read_file: aiSdkTool(byName.sandbox_read_file),
  sandbox_write_file: aiSdkTool(byName.sandbox_write_file),
  sandbox_upload: aiSdkTool(byName.sandbox_upload),
  sandbox_download: aiSdkTool(byName.sandbox_download),
  sandbox_list: aiSdkTool(byName.sandbox_list),
  sandbox_manage: aiSdkTool(byName.sandbox_manage),
})

const aiSdkTool = <Input>({
  title,
  description,
  inputSchema,
  execute,
}: PromiseTool): Tool<Input, ToolResult> => ({
  title,
  description,
  // Not checked here: the tool itself does, and tells the model what to mend.
  inputSchema: jsonSchema<Input>(inputSchema),
  execute: (input, { abortSignal }) => execute(input, withSignal(abortSignal)),
  toModelOutput: ({ output }) => ({ type: output.ok ? "text" : "error-text", value: output.text }),
})
