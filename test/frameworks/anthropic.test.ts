import Anthropic from "@anthropic-ai/sdk"
import { agent as messages } from "../../examples/frameworks/anthropic.ts"
import { agent as runner } from "../../examples/frameworks/anthropic-runner.ts"
import { withProvider } from "./providers.ts"
import { prompt } from "./script.ts"
import { agentOn, frameworkSuite } from "./suite.ts"

const over = (agent: typeof messages) =>
  agentOn((toolset, script, signal) =>
    withProvider(script, (baseURL) => {
      const client = new Anthropic({ apiKey: "none", baseURL, maxRetries: 0 })
      return agent(client, "scripted", toolset, prompt, signal)
    }),
  )

frameworkSuite("Anthropic's Messages API", over(messages))

frameworkSuite("Anthropic's tool runner", over(runner))
