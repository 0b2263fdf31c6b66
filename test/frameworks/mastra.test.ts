import { agent } from "../../examples/frameworks/mastra.ts"
import { withProvider } from "./providers.ts"
import { prompt } from "./script.ts"
import { agentOn, frameworkSuite } from "./suite.ts"

frameworkSuite(
  "Mastra",
  agentOn((toolset, script, signal) =>
    withProvider(script, (origin) => {
      const model = { id: "local/scripted", url: `${origin}/v1`, apiKey: "none" } as const
      return agent(model, toolset, prompt, signal)
    }),
  ),
)
