import OpenAI from "openai"
import { agent as responses } from "../../examples/frameworks/openai.ts"
import { agent as chat } from "../../examples/frameworks/openai-chat.ts"
import { agent as runner } from "../../examples/frameworks/openai-runner.ts"
import { withProvider } from "./providers.ts"
import { prompt } from "./script.ts"
import { agentOn, frameworkSuite } from "./suite.ts"

const over = (agent: typeof responses) =>
  agentOn((toolset, script, signal) =>
    withProvider(script, (origin) => {
      const client = new OpenAI({ apiKey: "none", baseURL: `${origin}/v1`, maxRetries: 0 })
      return agent(client, "scripted", toolset, prompt, signal)
    }),
  )

frameworkSuite("OpenAI's Responses API", over(responses))

// It runs the calls of a turn one after the other.
frameworkSuite("OpenAI's ResponsesToolRunner", over(runner), { parallel: false })

frameworkSuite("OpenAI's Chat Completions API", over(chat))
