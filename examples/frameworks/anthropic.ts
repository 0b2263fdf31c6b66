import type Anthropic from "@anthropic-ai/sdk"
import { codingContainer, type PromiseToolset } from "@cordon/tools"
import { anthropicToolResults, anthropicTools } from "@cordon/tools/anthropic"

export const agent = async (
  client: Anthropic,
  model: string,
  toolset: PromiseToolset,
  prompt: string,
  signal: AbortSignal,
) => {
  const system = codingContainer.systemPrompt
  const request = { model, max_tokens: 16_000, system, tools: anthropicTools(toolset) }
  const messages: Array<Anthropic.MessageParam> = [{ role: "user", content: prompt }]
  while (true) {
    const { content } = await client.messages.create({ ...request, messages }, { signal })
    const results = await anthropicToolResults(toolset, content, { signal })
    if (results.length === 0) {
      return content.map((block) => (block.type === "text" ? block.text : "")).join("")
    }
    messages.push({ role: "assistant", content }, { role: "user", content: results })
  }
}
