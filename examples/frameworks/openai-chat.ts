import { codingContainer, type PromiseToolset } from "@cordon/tools"
import { openaiChatTools } from "@cordon/tools/openai"
import type OpenAI from "openai"

export const agent = async (
  client: OpenAI,
  model: string,
  toolset: PromiseToolset,
  prompt: string,
  signal: AbortSignal,
) => {
  const runner = client.chat.completions.runTools(
    {
      model,
      tools: openaiChatTools(toolset),
      messages: [
        { role: "developer", content: codingContainer.systemPrompt },
        { role: "user", content: prompt },
      ],
    },
    { signal, maxChatCompletions: 50 },
  )
  return (await runner.finalContent()) ?? ""
}
