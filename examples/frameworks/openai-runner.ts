import { codingContainer, type PromiseToolset } from "@cordon/tools"
import { openaiRunnerFunctions } from "@cordon/tools/openai"
import type OpenAI from "openai"
import { ResponsesToolRunner } from "openai/helpers/responses-tool-runner"

export const agent = async (
  client: OpenAI,
  model: string,
  toolset: PromiseToolset,
  prompt: string,
  signal: AbortSignal,
) => {
  const runner = new ResponsesToolRunner({ functions: openaiRunnerFunctions(toolset) })
  const request = { model, instructions: codingContainer.systemPrompt, input: prompt }
  const response = await runner.run(client, request, { signal, maxSteps: 50 })
  return response.output_text
}
