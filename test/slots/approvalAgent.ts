import type { PromiseSandboxes } from "@cordon/core"
import { openaiAgentsClient } from "@cordon/slots/openai-agents"
import { type Model, tool } from "@openai/agents"
import { file, SandboxAgent } from "@openai/agents/sandbox"
import { z } from "zod"
import type { Script } from "../frameworks/script.ts"

const deploy = tool({
  name: "deploy",
  description: "Deploys the program.",
  parameters: z.object({}),
  needsApproval: true,
  execute: async () => "Deployed.",
})

/** Works in its sandbox before and after it waits for an approval. */
export const script: Script = {
  turns: [
    [
      {
        name: "exec_command",
        input: { cmd: "cat README.md > made.txt; echo written" },
        reads: /written/,
      },
    ],
    [{ name: "deploy", input: {}, reads: /Deployed/ }],
    [{ name: "exec_command", input: { cmd: "cat made.txt" }, reads: /# Sums/ }],
  ],
  text: "It is deployed.",
}

export const agentWith = (model: Model) =>
  new SandboxAgent({
    name: "Deployer",
    model,
    tools: [deploy],
    defaultManifest: { entries: { "README.md": file({ content: "# Sums" }) } },
  })

export const clientOf = (sandboxes: PromiseSandboxes) =>
  openaiAgentsClient({ sandboxes, create: { network: "none" } })
