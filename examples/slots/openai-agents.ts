import { type Model, run } from "@openai/agents"
import { file, SandboxAgent, type SandboxRunConfig } from "@openai/agents/sandbox"

const agentWith = (model: Model | string) =>
  new SandboxAgent({
    name: "Workspace Assistant",
    model,
    instructions: "Inspect the workspace before changing files.",
    defaultManifest: { entries: { "README.md": file({ content: "# Sums" }) } },
  })

export const agent = async (
  model: Model | string,
  sandbox: SandboxRunConfig,
  prompt: string,
  signal: AbortSignal,
) => {
  const { finalOutput } = await run(agentWith(model), prompt, { sandbox, signal, maxTurns: 50 })
  return finalOutput ?? ""
}
