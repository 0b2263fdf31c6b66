import Anthropic from "@anthropic-ai/sdk"
import type { MessageParam } from "@anthropic-ai/sdk/resources/messages/messages"
import {
  anthropicRunnableTools,
  anthropicToolResults,
  anthropicTools,
} from "@cordon/tools/anthropic"
import { withProvider } from "./providers.ts"
import { agentOn, frameworkSuite } from "./suite.ts"

const clientOf = (baseURL: string) => new Anthropic({ apiKey: "none", baseURL, maxRetries: 0 })

frameworkSuite(
  "Anthropic's Messages API",
  agentOn((toolset, script, signal) =>
    withProvider(script, async (origin) => {
      const client = clientOf(origin)
      const tools = anthropicTools(toolset)
      const messages: Array<MessageParam> = [{ role: "user", content: "Write sum.sh." }]
      while (true) {
        const { content } = await client.messages.create(
          { model: "scripted", max_tokens: 1000, tools, messages },
          { signal },
        )
        const results = await anthropicToolResults(toolset, content, { signal })
        if (results.length === 0) {
          return content.map((block) => (block.type === "text" ? block.text : "")).join("")
        }
        messages.push({ role: "assistant", content }, { role: "user", content: results })
      }
    }),
  ),
)

frameworkSuite(
  "Anthropic's tool runner",
  agentOn((toolset, script, signal) =>
    withProvider(script, async (origin) => {
      const { content } = await clientOf(origin).beta.messages.toolRunner(
        {
          model: "scripted",
          max_tokens: 1000,
          tools: anthropicRunnableTools(toolset),
          messages: [{ role: "user", content: "Write sum.sh." }],
        },
        { signal },
      )
      return content.map((block) => (block.type === "text" ? block.text : "")).join("")
    }),
  ),
)
