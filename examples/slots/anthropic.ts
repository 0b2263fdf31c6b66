import type Anthropic from "@anthropic-ai/sdk"
import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool"

export const agent = async (
  client: Anthropic,
  model: string,
  tools: Array<BetaRunnableTool<unknown>>,
  prompt: string,
  signal: AbortSignal,
) => {
  const { content } = await client.beta.messages.toolRunner(
    { model, max_tokens: 16_000, tools, messages: [{ role: "user", content: prompt }] },
    { signal },
  )
  return content.map((block) => (block.type === "text" ? block.text : "")).join("")
}
