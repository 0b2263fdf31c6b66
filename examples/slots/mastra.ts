import { Agent } from "@mastra/core/agent"
import type { MastraModelConfig } from "@mastra/core/llm"
import { Workspace, type WorkspaceSandbox } from "@mastra/core/workspace"

export const agent = async (
  model: MastraModelConfig,
  sandbox: WorkspaceSandbox,
  prompt: string,
  abortSignal: AbortSignal,
) => {
  const coder = new Agent({
    id: "coder",
    name: "Coder",
    instructions: "You are a careful programmer.",
    model,
    workspace: new Workspace({ sandbox }),
  })
  const { text } = await coder.generate(prompt, { abortSignal, maxSteps: 50 })
  return text
}
