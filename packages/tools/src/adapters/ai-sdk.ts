import { checkInput, optionNames } from "@cordon/core"
import { jsonSchema, type Tool } from "ai"
import { Record, Schema } from "effect"
import type { SandboxToolName } from "../oneSandbox.ts"
import type {
  PromiseSandboxToolset,
  PromiseTool,
  PromiseTools,
  PromiseToolset,
} from "../promise/PromiseTool.ts"
import type { ToolResult } from "../Tool.ts"
import type { AnyToolName, ToolInput, ToolName } from "../tools.ts"
import { approvalOf, approvalShape, type ToolApproval } from "./approval.ts"
import { schemaOf, withSignal } from "./calls.ts"
import { withProgress } from "./progress.ts"

export type { ToolApproval } from "./approval.ts"

/** Tools of a session as the AI SDK types them: by name, each with its own input. */
export type AiSdkTools<Name extends AnyToolName = ToolName> = {
  readonly [Each in Name]: Tool<ToolInput<Each>, ToolResult>
}

/** Tools of one sandbox; their `sandbox` is not to be given then. */
export type AiSdkSandboxTools<Name extends AnyToolName = SandboxToolName> = {
  readonly [Each in Name]: Tool<Omit<ToolInput<Each>, "sandbox">, ToolResult>
}

/** Options of the tools for the AI SDK. */
export interface AiSdkOptions {
  /**
   * Whether calls report progress through preliminary results, whose `text` and `output.progress`
   * are a line about a pull or a line of a command's output. Default: false.
   */
  readonly progress?: boolean
  /** Whether the model must follow the schemas (`strict` of the tools). Default: false. */
  readonly strict?: boolean
}

const shape = optionNames<AiSdkOptions>({ progress: Schema.Boolean, strict: Schema.Boolean })

/**
 * The tools of a session for the Vercel AI SDK: `tools` of `generateText`, `streamText` or an agent.
 *
 * The model reads a result's `text` and looks at its `pictures`; `output` and `error` are there for
 * the program and its UI. Aborting the call's `abortSignal` kills the command that runs.
 *
 * @example
 * import { aiSdkTools } from "@cordon/tools/ai-sdk"
 * import { generateText, isStepCount } from "ai"
 *
 * const { text } = await generateText({
 *   model: "anthropic/claude-sonnet-4.5",
 *   tools: aiSdkTools(toolset),
 *   stopWhen: isStepCount(20),
 *   prompt: "Write a program that sums numbers, and test it.",
 * })
 */
export function aiSdkTools<Name extends AnyToolName>(
  toolset: Pick<PromiseToolset<Name | ToolName>, "byName">,
  options?: AiSdkOptions,
): AiSdkTools<Name | ToolName>
export function aiSdkTools<Name extends AnyToolName>(
  toolset: Pick<PromiseSandboxToolset<Name>, "byName">,
  options?: AiSdkOptions,
): AiSdkSandboxTools<Name>
export function aiSdkTools(
  { byName }: { readonly byName: Readonly<Record<string, PromiseTool>> },
  options: AiSdkOptions = {},
): Readonly<Record<string, object>> {
  checkInput("options of aiSdkTools", shape, options)
  return Record.map(byName, (tool) => aiSdkTool<unknown>(tool, options))
}

const aiSdkTool = <Input>(tool: PromiseTool, options: AiSdkOptions): Tool<Input, ToolResult> => {
  const { title, description, execute } = tool
  return {
    title,
    description,
    ...(options.strict ? { strict: true } : {}),
    // Not validated here: the tool itself validates, and tells the model what to correct.
    inputSchema: jsonSchema<Input>(schemaOf(tool, options.strict)),
    execute: (input, { abortSignal }) =>
      options.progress
        ? preliminary(tool, input, abortSignal)
        : execute(input, withSignal(abortSignal)),
    toModelOutput: ({ output }) => modelOutput(output),
  }
}

const preliminary = async function* (
  tool: PromiseTool,
  input: unknown,
  signal: AbortSignal | undefined,
): AsyncGenerator<ToolResult> {
  for await (const step of withProgress(tool, input, withSignal(signal))) {
    yield "result" in step
      ? step.result
      : { ok: true, output: { progress: step.message }, text: step.message }
  }
}

const modelOutput = (result: ToolResult) => {
  const { ok, text } = result
  if (!ok) return { type: "error-text" as const, value: text }
  if (result.pictures === undefined) return { type: "text" as const, value: text }
  return {
    type: "content" as const,
    value: [
      { type: "text" as const, text },
      ...result.pictures.map(({ mediaType, data }) => ({
        type: "file" as const,
        mediaType,
        data: { type: "data" as const, data },
      })),
    ],
  }
}

/** The AI SDK's form of an approval: for all calls of a tool, or by their input. */
export type AiSdkApproval =
  | "user-approval"
  | ((input: unknown) => Promise<"user-approval" | undefined>)

/**
 * The calls that need the user's approval: `toolApproval` of `generateText`, `streamText` or an
 * agent.
 *
 * @example
 * import { aiSdkToolApproval, aiSdkTools } from "@cordon/tools/ai-sdk"
 * import { generateText } from "ai"
 *
 * const { content } = await generateText({
 *   model: "anthropic/claude-sonnet-4.5",
 *   tools: aiSdkTools(toolset),
 *   toolApproval: aiSdkToolApproval(toolset, "destructive"),
 *   prompt: "Remove the sandbox web.",
 * })
 */
export const aiSdkToolApproval = (
  { tools }: PromiseTools,
  approval: ToolApproval,
): Record<string, AiSdkApproval> => {
  checkInput("approval of aiSdkToolApproval", approvalShape, approval)
  return Object.fromEntries(
    tools.flatMap((tool): Array<[string, AiSdkApproval]> => {
      const needed = approvalOf(approval, tool)
      if (needed === false) return []
      if (needed === true) return [[tool.name, "user-approval" as const]]
      const ask = async (input: unknown) =>
        (await needed(input)) ? ("user-approval" as const) : undefined
      return [[tool.name, ask]]
    }),
  )
}
