import type Anthropic from "@anthropic-ai/sdk"
import { codingContainer, type PromiseToolset } from "@cordon/tools"
import { anthropicRunnableTools } from "@cordon/tools/anthropic"

export const agent = async (
  client: Anthropic,
  model: string,
  toolset: PromiseToolset,
  prompt: string,
  signal: AbortSignal,
) => {
  const { content } = await client.beta.messages.toolRunner(
    {
      model,
      max_tokens: 16_000,
      system: codingContainer.systemPrompt,
      tools: anthropicRunnableTools(toolset),
      messages: [{ role: "user", content: prompt }],
    },
    { signal },
  )
  return content.map((block) => (block.type === "text" ? block.text : "")).join("")
}
