import { agent } from "../../examples/frameworks/langchain.ts"
import { ScriptedModel } from "./langchainModel.ts"
import { prompt } from "./script.ts"
import { agentOn, frameworkSuite } from "./suite.ts"

frameworkSuite(
  "LangChain",
  agentOn((toolset, script, signal) => agent(new ScriptedModel(script), toolset, prompt, signal)),
)
