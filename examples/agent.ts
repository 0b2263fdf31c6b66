/**
 * A coding agent: the AI SDK's loop, with a sandbox of its own.
 *
 *     node --conditions=@cordon/source examples/agent.ts "Write fizzbuzz for the shell, and test it."
 *
 * `MODEL=anthropic/claude-sonnet-4.5` (with AI_GATEWAY_API_KEY) uses a real model. Without it, a
 * scripted model plays this one task, so that you see the loop without a key. No engine at
 * hand? `CORDON_DRIVER=memory` runs it without one.
 */
import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { sessionFilesDirectory } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"
import { codingContainer, createTools } from "@cordon/tools"
import { aiSdkTools } from "@cordon/tools/ai-sdk"
import { generateText, isStepCount } from "ai"
import { rehearsedModel } from "./rehearsedModel.ts"

const folder = await mkdtemp(join(tmpdir(), "cordon-agent-"))
await using toolset = createTools({
  driver: process.env["CORDON_DRIVER"] === "memory" ? memory() : docker(),
  // The folder of the agent's downloads and uploads.
  files: sessionFilesDirectory(folder),
})

// Ctrl-C ends the loop and the command that runs; the sandbox is removed all the same.
const interrupted = new AbortController()
process.once("SIGINT", () => interrupted.abort())

const { text, steps } = await generateText({
  model: process.env["MODEL"] ?? rehearsedModel(),
  instructions: codingContainer.systemPrompt,
  prompt: process.argv[2] ?? "Write fizzbuzz for the shell, and test it. Give me the program.",
  tools: aiSdkTools(toolset),
  stopWhen: isStepCount(50),
  abortSignal: interrupted.signal,
  onStepFinish: ({ toolResults }) => {
    for (const result of toolResults) {
      // Dynamic tools are tools that the program does not know.
      if (result.dynamic) continue
      console.log(`${result.toolName} ${JSON.stringify(result.input).slice(0, 100)}`)
      console.log(result.output.text.replace(/^/gm, "    "))
    }
  },
})
console.log(`\n${text}\n\n${steps.length} steps; the files are in ${folder}`)
