import type { BaseChatModel } from "@langchain/core/language_models/chat_models"
import { type BaseSandbox, createDeepAgent } from "deepagents"

export const agent = async (
  model: BaseChatModel | string,
  backend: BaseSandbox,
  prompt: string,
  signal: AbortSignal,
) => {
  const coder = createDeepAgent({ model, backend, systemPrompt: "You are a careful programmer." })
  const { messages } = await coder.invoke(
    { messages: [{ role: "user", content: prompt }] },
    { signal, recursionLimit: 200 },
  )
  return messages.at(-1)?.text ?? ""
}
