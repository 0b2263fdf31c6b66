import "@cordon/core"
import type { PromiseSandbox } from "@cordon/core"
import type { Experimental_SandboxSession } from "ai"
import { sessionOver } from "./ai-sdk/session.ts"
import { startCommand } from "./shared/command.ts"

/**
 * A sandbox for the Vercel AI SDK: `experimental_sandbox` of `generateText`, `streamText` and
 * agents, which pass it to every tool.
 *
 * A command of `run` has the `execTimeout` of the sandbox's settings. A command of `spawn` runs
 * until it ends, is killed, or this program ends. A note at the end of standard error says if the
 * sandbox intervened, for example killed the command at a limit. Other failures reject with the
 * errors of {@link PromiseSandbox}.
 *
 * @example
 * import { aiSdkSandbox } from "@cordon/slots/ai-sdk"
 * import { generateText, tool } from "ai"
 * import { z } from "zod"
 *
 * const shell = tool({
 *   inputSchema: z.object({ command: z.string() }),
 *   execute: ({ command }, { experimental_sandbox }) => experimental_sandbox?.run({ command }),
 * })
 * await generateText({
 *   model: "anthropic/claude-sonnet-4.5",
 *   tools: { shell },
 *   experimental_sandbox: aiSdkSandbox(sandbox),
 *   prompt: "Which version of Node is installed?",
 * })
 */
export const aiSdkSandbox = (sandbox: PromiseSandbox): Experimental_SandboxSession =>
  sessionOver(sandbox, ({ command, workingDirectory, env, abortSignal, stdin }) =>
    startCommand(sandbox, command, { cwd: workingDirectory, env, stdin, signal: abortSignal }),
  )
