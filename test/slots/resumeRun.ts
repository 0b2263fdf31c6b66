// A process that approves what the run of another one waits for: prints what the model says in the end.
import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { RunState, run } from "@openai/agents"
import { agentWith, clientOf, script } from "./approvalAgent.ts"
import { withModel } from "./openai-agents.ts"

const [sessionId = "", kept = ""] = process.argv.slice(2)
await using sandboxes = createSandboxes({ driver: docker(), sessionId, removeOnClose: false })
await withModel(script, async (model) => {
  const agent = agentWith(model)
  const state = await RunState.fromString(agent, kept)
  for (const interruption of state.getInterruptions()) state.approve(interruption)
  const { finalOutput } = await run(agent, state, { sandbox: { client: clientOf(sandboxes) } })
  console.log(finalOutput)
})
