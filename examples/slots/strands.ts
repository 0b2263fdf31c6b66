import { Agent, type Model, type Sandbox } from "@strands-agents/sdk"

export const agent = async (
  model: Model,
  sandbox: Sandbox,
  prompt: string,
  cancelSignal: AbortSignal,
) => {
  const coder = new Agent({ model, sandbox, printer: false })
  const result = await coder.invoke(prompt, { cancelSignal })
  return result.toString().trim()
}
