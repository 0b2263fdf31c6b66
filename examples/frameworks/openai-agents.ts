import { codingContainer, type PromiseToolset } from "@cordon/tools"
import { openaiAgentsTools } from "@cordon/tools/openai-agents"
import { Agent, type Model, run } from "@openai/agents"

export const agent = async (
  model: Model | string,
  toolset: PromiseToolset,
  prompt: string,
  signal: AbortSignal,
) => {
  const coder = new Agent({
    name: "Coder",
    instructions: codingContainer.systemPrompt,
    model,
    tools: openaiAgentsTools(toolset),
  })
  const { finalOutput } = await run(coder, prompt, { signal, maxTurns: 50 })
  return finalOutput ?? ""
}
