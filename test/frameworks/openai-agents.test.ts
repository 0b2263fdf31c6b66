import { OpenAIResponsesModel, setTracingDisabled } from "@openai/agents"
import OpenAI from "openai"
import { agent } from "../../examples/frameworks/openai-agents.ts"
import { withProvider } from "./providers.ts"
import { prompt } from "./script.ts"
import { agentOn, frameworkSuite } from "./suite.ts"

setTracingDisabled(true)

frameworkSuite(
  "the OpenAI Agents SDK",
  agentOn((toolset, script, signal) =>
    withProvider(script, (origin) => {
      const client = new OpenAI({ apiKey: "none", baseURL: `${origin}/v1`, maxRetries: 0 })
      return agent(new OpenAIResponsesModel(client, "scripted"), toolset, prompt, signal)
    }),
  ),
)
