import { codingContainer, type PromiseToolset } from "@cordon/tools"
import { openaiToolOutputs, openaiTools } from "@cordon/tools/openai"
import type OpenAI from "openai"

export const agent = async (
  client: OpenAI,
  model: string,
  toolset: PromiseToolset,
  prompt: string,
  signal: AbortSignal,
) => {
  const request = { model, instructions: codingContainer.systemPrompt, tools: openaiTools(toolset) }
  let response = await client.responses.create({ ...request, input: prompt }, { signal })
  while (true) {
    const input = await openaiToolOutputs(toolset, response.output, { signal })
    if (input.length === 0) return response.output_text
    const previous_response_id = response.id
    response = await client.responses.create(
      { ...request, previous_response_id, input },
      { signal },
    )
  }
}
