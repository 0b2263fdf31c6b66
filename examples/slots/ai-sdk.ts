import { generateText, isStepCount, type LanguageModel, tool } from "ai"
import { z } from "zod"

const shell = tool({
  description: "Runs a shell command to its end.",
  inputSchema: z.object({ command: z.string() }),
  execute: async ({ command }, { abortSignal, experimental_sandbox: sandbox }) =>
    sandbox?.run({ command, ...(abortSignal && { abortSignal }) }),
})

const writeFile = tool({
  description: "Writes a file.",
  inputSchema: z.object({ path: z.string(), content: z.string() }),
  execute: async ({ path, content }, { experimental_sandbox: sandbox }) => {
    await sandbox?.writeTextFile({ path, content })
    return `Wrote ${path}.`
  },
})

const start = tool({
  description: "Starts a server, which goes on.",
  inputSchema: z.object({ command: z.string() }),
  execute: async ({ command }, { experimental_sandbox: sandbox }) => {
    await sandbox?.spawn({ command })
    return "Started."
  },
})

type Options = Parameters<typeof generateText>[0]
type Sandbox = NonNullable<Options["experimental_sandbox"]>

export const agent = async (
  model: LanguageModel,
  experimental_sandbox: Sandbox,
  prompt: string,
  abortSignal: AbortSignal,
) => {
  const { text } = await generateText({
    model,
    tools: { shell, writeFile, start },
    experimental_sandbox,
    stopWhen: isStepCount(50),
    prompt,
    abortSignal,
  })
  return text
}
