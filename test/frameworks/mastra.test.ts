import { mastraTools } from "@cordon/tools/mastra"
import { Agent } from "@mastra/core/agent"
import { withProvider } from "./providers.ts"
import { agentOn, frameworkSuite } from "./suite.ts"

frameworkSuite(
  "Mastra",
  agentOn((toolset, script, abortSignal) =>
    withProvider(script, async (origin) => {
      const agent = new Agent({
        id: "coder",
        name: "Coder",
        instructions: "You write shell scripts.",
        model: { id: "local/scripted", url: `${origin}/v1`, apiKey: "none" },
        tools: mastraTools(toolset),
        maxRetries: 0,
      })
      const { text } = await agent.generate("Write sum.sh.", { abortSignal, maxSteps: 20 })
      return text
    }),
  ),
)
