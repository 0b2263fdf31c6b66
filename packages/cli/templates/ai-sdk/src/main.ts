import { mkdir } from "node:fs/promises"
import { createSandboxes, sessionFilesDirectory } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { codingContainer, createTools } from "@cordon/tools"
import { aiSdkTools } from "@cordon/tools/ai-sdk"
import { generateText, isStepCount } from "ai"
import { rehearsedModel } from "./rehearsedModel.ts"

{
  // Where no engine answers this program ends with it; the tools would only tell the model.
  await using sandboxes = createSandboxes({ driver: docker() })
  await sandboxes.capabilities()
}

// Where the agent's downloads go, and its uploads come from.
await mkdir("files", { recursive: true })
await using toolset = createTools({ driver: docker(), files: sessionFilesDirectory("files") })

// Ctrl-C ends the loop and the command that runs; the sandbox is removed all the same.
const interrupted = new AbortController()
process.once("SIGINT", () => interrupted.abort())

const { text } = await generateText({
  model: process.env["MODEL"] ?? rehearsedModel(),
  instructions: codingContainer.systemPrompt,
  prompt: process.argv[2] ?? "Write a shell script that prints the primes below 30, and run it.",
  tools: aiSdkTools(toolset),
  stopWhen: isStepCount(50),
  abortSignal: interrupted.signal,
  onStepFinish: ({ toolResults }) => {
    for (const result of toolResults) {
      // Dynamic are tools that the program does not know.
      if (result.dynamic) continue
      console.log(`${result.toolName} ${JSON.stringify(result.input).slice(0, 100)}`)
      console.log(result.output.text.replace(/^/gm, "    "))
    }
  },
})
console.log(`\n${text}`)
