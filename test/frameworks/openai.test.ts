import {
  openaiChatTools,
  openaiRunnerFunctions,
  openaiToolOutputs,
  openaiTools,
} from "@cordon/tools/openai"
import OpenAI from "openai"
import { ResponsesToolRunner } from "openai/helpers/responses-tool-runner"
import { withProvider } from "./providers.ts"
import { agentOn, frameworkSuite } from "./suite.ts"

const clientOf = (origin: string) =>
  new OpenAI({ apiKey: "none", baseURL: `${origin}/v1`, maxRetries: 0 })

frameworkSuite(
  "OpenAI's Responses API",
  agentOn((toolset, script, signal) =>
    withProvider(script, async (origin) => {
      const client = clientOf(origin)
      const tools = openaiTools(toolset)
      const request = { model: "scripted", tools }
      let response = await client.responses.create(
        { ...request, input: "Write sum.sh." },
        { signal },
      )
      while (true) {
        const input = await openaiToolOutputs(toolset, response.output, { signal })
        if (input.length === 0) return response.output_text
        const previous_response_id = response.id
        response = await client.responses.create(
          { ...request, previous_response_id, input },
          { signal },
        )
      }
    }),
  ),
)

frameworkSuite(
  "OpenAI's ResponsesToolRunner",
  agentOn((toolset, script, signal) =>
    withProvider(script, async (origin) => {
      const runner = new ResponsesToolRunner({ functions: openaiRunnerFunctions(toolset) })
      const response = await runner.run(
        clientOf(origin),
        { model: "scripted", input: "Write sum.sh." },
        { signal, maxSteps: 20 },
      )
      return response.output_text
    }),
  ),
  // It runs the calls of a turn one after the other.
  { parallel: false },
)

frameworkSuite(
  "OpenAI's Chat Completions API",
  agentOn((toolset, script, signal) =>
    withProvider(script, async (origin) => {
      const runner = clientOf(origin).chat.completions.runTools(
        {
          model: "scripted",
          tools: openaiChatTools(toolset),
          messages: [{ role: "user", content: "Write sum.sh." }],
        },
        { signal, maxChatCompletions: 20 },
      )
      return (await runner.finalContent()) ?? ""
    }),
  ),
)
