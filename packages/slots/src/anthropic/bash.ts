import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool"
import { ToolError } from "@anthropic-ai/sdk/lib/tools/ToolError"
import type { PromiseSandbox, ShellResult } from "@cordon/core"
import { Schema } from "effect"
import { explainedStderr } from "../shared/outcome.ts"
import { inputOf } from "./input.ts"
import { lazyShell } from "./shell.ts"

const Input = Schema.Struct({
  command: Schema.optional(Schema.String),
  restart: Schema.optional(Schema.Boolean),
})

/** Both outputs, and notes for the model. */
export const textOf = (result: ShellResult, sandbox: PromiseSandbox): string => {
  const anew = result.anew
    ? ["[The shell was begun anew: its folder, variables and functions are gone.]"]
    : []
  const code = result.exitCode === 0 ? [] : [`[exit code ${result.exitCode}]`]
  const outputs = [result.stdout, explainedStderr(result, sandbox)].map((text) =>
    text.replace(/\n$/, ""),
  )
  return [...anew, ...outputs, ...code].filter((text) => text !== "").join("\n")
}

/** Anthropic's bash tool. A command with another exit code than 0 is marked as failed. */
export const bashTool = (sandbox: PromiseSandbox): BetaRunnableTool<unknown> => {
  const shell = lazyShell(async () => sandbox)
  return {
    type: "bash_20250124",
    name: "bash",
    parse: (input) => input,
    run: async (input, context) => {
      const { command, restart } = inputOf("bash", Input, input)
      if (restart) await shell.close()
      if (command === undefined || command === "") {
        if (restart) return "The shell was restarted."
        throw new Error("command is required.")
      }
      const result = await shell.exec(command, context?.signal ? { signal: context.signal } : {})
      const text = textOf(result, sandbox)
      if (result.exitCode === 0 && !result.timedOut) return text
      throw new ToolError(text)
    },
    close: shell.close,
  }
}
