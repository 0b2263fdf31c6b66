import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool"
import { ToolError } from "@anthropic-ai/sdk/lib/tools/ToolError"
import { Schema } from "effect"
import { textOf } from "./bash.ts"
import { type SessionSandbox, sessionTool } from "./sessionTool.ts"
import { lazyShell } from "./shell.ts"

const Input = Schema.Struct({
  command: Schema.optional(Schema.String),
  restart: Schema.optional(Schema.Boolean),
  timeout_ms: Schema.optional(Schema.Int.check(Schema.isGreaterThan(0))),
})

// The SDK aborts a call after the same time.
const longest = 120_000

export const sessionBash = (sandbox: SessionSandbox): BetaRunnableTool<unknown> => {
  const shell = lazyShell(sandbox)
  const tool = sessionTool(
    "bash",
    "Run a bash command in a persistent shell. State (cwd, env vars) persists across calls.",
    {
      command: { type: "string", description: "The command to run" },
      restart: { type: "boolean", description: "Restart the persistent shell before running" },
      timeout_ms: { type: "integer", description: "Per-call timeout in milliseconds" },
    },
    [],
    Input,
    async ({ command, restart, timeout_ms }, options) => {
      if (restart) await shell.close()
      if (command === undefined || command === "") {
        if (restart) return "bash session restarted"
        throw new ToolError("bash: command is required")
      }
      const timeout = timeout_ms === undefined ? undefined : Math.min(timeout_ms, longest)
      const result = await shell.exec(command, { ...options, timeout })
      const text = textOf(result, await sandbox())
      if (result.exitCode === 0 && !result.timedOut) return text
      throw new ToolError(text)
    },
  )
  return { ...tool, close: shell.close }
}
