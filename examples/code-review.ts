/**
 * A code review: clones a repository, lets a model review its last commit and run its tests, and
 * prints the review.
 *
 *     node --conditions=@cordon/source examples/code-review.ts https://github.com/you/project
 *
 * `GIT_TOKEN` gives access to a private repository. `MODEL=anthropic/claude-sonnet-4.5` (with
 * AI_GATEWAY_API_KEY) uses a real model. Without a URL it serves a sample repository, which a
 * scripted model reviews.
 */
import { randomUUID } from "node:crypto"
import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createSandboxes, sessionFilesDirectory } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { codingContainer, createTools } from "@cordon/tools"
import { aiSdkTools } from "@cordon/tools/ai-sdk"
import { generateText, isStepCount } from "ai"
import { rehearsedReviewer } from "./rehearsedReviewer.ts"
import { startSampleForge } from "./sampleForge.ts"

await using forge = await startSampleForge()
const sessionId = randomUUID()
await using sandboxes = createSandboxes({ driver: docker(), sessionId })
await using sandbox = await sandboxes.create({
  name: "review",
  // An image with git.
  image: process.env["CONTAINER_SANDBOX_IMAGE"] ?? "buildpack-deps:scm",
})

// The program clones, so that the model never sees the credentials, nor anything in the sandbox later.
const own = process.argv[2] === undefined
const url = process.argv[2] ?? (await forge.urlFor(sandbox))
const token = own ? forge.token : (process.env["GIT_TOKEN"] ?? "")
const { commit } = await sandbox.git.clone(url, {
  directory: "project",
  depth: 20,
  credentials: { password: token },
  insecure: own, // The server on this machine speaks plain HTTP.
})
console.log(`cloned ${commit}`)

// The tools of the same session: the model finds the sandbox by its name.
const folder = await mkdtemp(join(tmpdir(), "cordon-review-"))
await using toolset = createTools({
  driver: docker(),
  sessionId,
  files: sessionFilesDirectory(folder),
})
const { text } = await generateText({
  model: process.env["MODEL"] ?? rehearsedReviewer(),
  instructions: codingContainer.systemPrompt,
  prompt:
    'In the sandbox "review", the folder "project" is a git repository. Review its last commit: read it, run its tests, write review.md and download it as review.md.',
  tools: aiSdkTools(toolset),
  stopWhen: isStepCount(50),
  onStepFinish: ({ toolResults }) => {
    for (const { toolName, input } of toolResults) {
      console.log(`${toolName} ${JSON.stringify(input).slice(0, 100)}`)
    }
  },
})
console.log(`\n${text}\nthe review is in ${join(folder, "review.md")}`)
