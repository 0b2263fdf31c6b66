import { isStepCount, type LanguageModel, ToolLoopAgent } from "ai"
import type { CreateBashToolOptions } from "bash-tool"
import { createBashTool } from "bash-tool"

export const agent = async (
  model: LanguageModel,
  options: CreateBashToolOptions,
  prompt: string,
  abortSignal: AbortSignal,
) => {
  const { tools } = await createBashTool({ ...options, files: { "README.md": "# Sums" } })
  const coder = new ToolLoopAgent({ model, tools, stopWhen: isStepCount(50) })
  const { text } = await coder.generate({ prompt, abortSignal })
  return text
}
