import { openaiAgentsTools } from "@cordon/tools/openai-agents"
import { Agent, OpenAIResponsesModel, Runner } from "@openai/agents"
import OpenAI from "openai"
import { withProvider } from "./providers.ts"
import { agentOn, frameworkSuite } from "./suite.ts"

frameworkSuite(
  "the OpenAI Agents SDK",
  agentOn((toolset, script, signal) =>
    withProvider(script, async (origin) => {
      const client = new OpenAI({ apiKey: "none", baseURL: `${origin}/v1`, maxRetries: 0 })
      const agent = new Agent({
        name: "Coder",
        instructions: "You write shell scripts.",
        model: new OpenAIResponsesModel(client, "scripted"),
        tools: openaiAgentsTools(toolset),
      })
      const runner = new Runner({ tracingDisabled: true })
      const { finalOutput } = await runner.run(agent, "Write sum.sh.", { signal, maxTurns: 20 })
      return finalOutput ?? ""
    }),
  ),
)
