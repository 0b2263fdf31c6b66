import { codingContainer, type PromiseToolset } from "@cordon/tools"
import { aiSdkTools } from "@cordon/tools/ai-sdk"
import { generateText, isStepCount, type LanguageModel } from "ai"

export const agent = async (
  model: LanguageModel,
  toolset: PromiseToolset,
  prompt: string,
  abortSignal: AbortSignal,
) => {
  const { text } = await generateText({
    model,
    instructions: codingContainer.systemPrompt,
    tools: aiSdkTools(toolset),
    stopWhen: isStepCount(50),
    prompt,
    abortSignal,
  })
  return text
}
