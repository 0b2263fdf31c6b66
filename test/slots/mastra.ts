import { shellWord } from "@cordon/core"
import { CordonMastraSandbox } from "@cordon/slots/mastra"
import { agent } from "../../examples/slots/mastra.ts"
import { withProvider } from "../frameworks/providers.ts"
import { prompt } from "../frameworks/script.ts"
import { reading, type Slot } from "./slot.ts"

const exec = (command: string, text: string) => ({
  name: "mastra_workspace_execute_command",
  input: { command },
  reads: reading(text),
})

export const slot: Slot = {
  name: "mastra",
  calls: {
    write: (path, content) =>
      exec(
        `mkdir -p src; printf %s ${shellWord(content)} > ${path}; echo Wrote ${path}`,
        `Wrote ${path}`,
      ),
    exec,
    start: (command) => ({
      name: "mastra_workspace_execute_command",
      input: { command, background: true },
      reads: /process-/,
    }),
  },
  run: (sandbox, script, signal, sandboxes) =>
    withProvider(script, (origin) => {
      const model = { id: "local/scripted", url: `${origin}/v1`, apiKey: "none" } as const
      return agent(
        model,
        new CordonMastraSandbox({ sandboxes, name: sandbox.name }),
        prompt,
        signal,
      )
    }),
}
