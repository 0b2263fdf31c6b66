import { generateText, isStepCount, type LanguageModel, tool } from "ai"
import type { SandboxInterface } from "computesdk"
import { z } from "zod"

const toolsOf = (sandbox: SandboxInterface) => ({
  shell: tool({
    description: "Runs a shell command to its end.",
    inputSchema: z.object({ command: z.string() }),
    execute: ({ command }) => sandbox.runCommand(command),
  }),
  writeFile: tool({
    description: "Writes a file.",
    inputSchema: z.object({ path: z.string(), content: z.string() }),
    execute: async ({ path, content }) => {
      await sandbox.filesystem.writeFile(path, content)
      return `Wrote ${path}.`
    },
  }),
  start: tool({
    description: "Starts a server, which goes on.",
    inputSchema: z.object({ command: z.string() }),
    execute: async ({ command }) => {
      await sandbox.runCommand(command, { background: true })
      return "Started."
    },
  }),
})

export const agent = async (
  model: LanguageModel,
  sandbox: SandboxInterface,
  prompt: string,
  abortSignal: AbortSignal,
) => {
  const { text } = await generateText({
    model,
    tools: toolsOf(sandbox),
    stopWhen: isStepCount(50),
    prompt,
    abortSignal,
  })
  return text
}
