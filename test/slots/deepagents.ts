import { DeepagentsSandbox } from "@cordon/slots/deepagents"
import { agent } from "../../examples/slots/deepagents.ts"
import { ScriptedModel } from "../frameworks/langchainModel.ts"
import { prompt } from "../frameworks/script.ts"
import { reading, type Slot } from "./slot.ts"

const exec = (command: string, text: string) => ({
  name: "execute",
  input: { command },
  reads: reading(text),
})

export const slot: Slot = {
  name: "deepagents",
  calls: {
    write: (path, content) => ({
      name: "write_file",
      input: { file_path: `/workspace/${path}`, content },
      reads: /Successfully wrote/,
    }),
    exec,
    start: (command) => exec(`nohup ${command} >/dev/null 2>&1 & echo begun`, "begun"),
  },
  run: (sandbox, script, signal) =>
    agent(new ScriptedModel(script), new DeepagentsSandbox(sandbox, { signal }), prompt, signal),
}
