import { codingContainer, type PromiseToolset } from "@cordon/tools"
import { mastraTools } from "@cordon/tools/mastra"
import { Agent } from "@mastra/core/agent"
import type { MastraModelConfig } from "@mastra/core/llm"

export const agent = async (
  model: MastraModelConfig,
  toolset: PromiseToolset,
  prompt: string,
  abortSignal: AbortSignal,
) => {
  const coder = new Agent({
    id: "coder",
    name: "Coder",
    instructions: codingContainer.systemPrompt,
    model,
    tools: mastraTools(toolset),
  })
  const { text } = await coder.generate(prompt, { abortSignal, maxSteps: 50 })
  return text
}
