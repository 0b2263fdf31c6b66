import Anthropic from "@anthropic-ai/sdk"
import type { PromiseSandbox } from "@cordon/core"
import { anthropicSandbox } from "@cordon/slots/anthropic"
import { agent } from "../../examples/slots/anthropic.ts"
import { withProvider } from "../frameworks/providers.ts"
import { type Call, prompt, type Script } from "../frameworks/script.ts"
import { reading, type Slot } from "./slot.ts"

/** A call of the text editor. */
export const edit = (
  command: "view" | "create" | "str_replace" | "insert",
  path: string,
  input: Readonly<Record<string, unknown>>,
  text: string,
): Call => ({
  name: "str_replace_based_edit_tool",
  input: { command, path, ...input },
  reads: reading(text),
})

/** A call of the bash tool. */
export const bash = (command: string, text: string): Call => ({
  name: "bash",
  input: { command },
  reads: reading(text),
})

/** The SDK's own loop, with a model that plays the script: what it says in the end. */
export const run = (sandbox: PromiseSandbox, script: Script, signal: AbortSignal) =>
  withProvider(script, (baseURL) => {
    const client = new Anthropic({ apiKey: "none", baseURL, maxRetries: 0 })
    return agent(client, "scripted", anthropicSandbox(sandbox), prompt, signal)
  })

export const slot: Slot = {
  name: "anthropic",
  calls: {
    write: (path, content) => edit("create", path, { file_text: content }, "created successfully"),
    // A command that fails is marked: the test that finds the bug.
    exec: (command, text) => ({
      ...bash(command, text),
      ...(text.startsWith("expected") ? { fails: true } : {}),
    }),
    start: (command) => bash(`nohup ${command} >/dev/null 2>&1 & echo begun`, "begun"),
  },
  run,
}
