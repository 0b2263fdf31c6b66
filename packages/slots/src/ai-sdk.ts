import "@cordon/core"
import type { PromiseSandbox } from "@cordon/core"
import type { Experimental_SandboxSession } from "ai"
import { sessionOver } from "./ai-sdk/session.ts"
import { startCommand } from "./shared/command.ts"

/**
 * A sandbox for the Vercel AI SDK: `experimental_sandbox` of `generateText`, `streamText` and agents,
 * which hand it to every tool.
 *
 * A command that `run` runs gets the `execTimeout` of the sandbox's settings; one of `spawn` runs until
 * it ends, is killed, or this program ends. What the sandbox did to a command, such as killing it at a
 * limit, stands at the end of its standard error. All else rejects with the errors of
 * {@link PromiseSandbox}.
 *
 * @example
 * await generateText({ model, tools: { shell }, experimental_sandbox: aiSdkSandbox(sandbox), prompt })
 */
export const aiSdkSandbox = (sandbox: PromiseSandbox): Experimental_SandboxSession =>
  sessionOver(sandbox, ({ command, workingDirectory, env, abortSignal, stdin }) =>
    startCommand(sandbox, command, { cwd: workingDirectory, env, stdin, signal: abortSignal }),
  )
