import { agent } from "../../examples/frameworks/ai-sdk.ts"
import { scriptedModel } from "./aiSdkModel.ts"
import { prompt } from "./script.ts"
import { agentOn, frameworkSuite } from "./suite.ts"

frameworkSuite(
  "the Vercel AI SDK",
  agentOn((toolset, script, signal) => agent(scriptedModel(script), toolset, prompt, signal)),
)
