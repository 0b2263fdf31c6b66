import { codingContainer } from "@cordon/tools"
import { SandboxToolkit } from "@cordon/tools/effect-ai"
import { Effect } from "effect"
import { Chat, type Prompt } from "effect/ai"

/** Needs a `LanguageModel` of any provider, and `layerSandboxToolkit({ sessionId })`. */
export const agent = Effect.fn("agent")(function* (task: string) {
  const chat = yield* Chat.fromPrompt([{ role: "system", content: codingContainer.systemPrompt }])
  let prompt: Prompt.RawInput = task
  while (true) {
    const { text, toolCalls } = yield* chat.generateText({ prompt, toolkit: SandboxToolkit })
    if (toolCalls.length === 0) return text
    // The results of the tools are already in the chat.
    prompt = []
  }
})
