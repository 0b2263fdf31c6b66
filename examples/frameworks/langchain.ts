import { codingContainer, type PromiseToolset } from "@cordon/tools"
import { langchainTools } from "@cordon/tools/langchain"
import type { BaseChatModel } from "@langchain/core/language_models/chat_models"
import { createAgent } from "langchain"

export const agent = async (
  model: BaseChatModel | string,
  toolset: PromiseToolset,
  prompt: string,
  signal: AbortSignal,
) => {
  const systemPrompt = codingContainer.systemPrompt
  const coder = createAgent({ model, systemPrompt, tools: langchainTools(toolset) })
  const { messages } = await coder.invoke(
    { messages: [{ role: "user", content: prompt }] },
    { signal, recursionLimit: 100 },
  )
  return messages.at(-1)?.text ?? ""
}
