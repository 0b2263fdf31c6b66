import { bashToolSandbox } from "@cordon/slots/bash-tool"
import { agent } from "../../examples/slots/bash-tool.ts"
import { scriptedModel } from "../frameworks/aiSdkModel.ts"
import { prompt } from "../frameworks/script.ts"
import { reading, type Slot } from "./slot.ts"

const exec = (command: string, text: string) => ({
  name: "bash",
  input: { command },
  reads: reading(text),
})

export const slot: Slot = {
  name: "bash-tool",
  calls: {
    write: (path, content) => ({ name: "writeFile", input: { path, content }, reads: /true/ }),
    exec,
    start: (command) => exec(`nohup ${command} >/dev/null 2>&1 & echo begun`, "begun"),
  },
  run: (sandbox, script, signal) =>
    agent(scriptedModel(script), bashToolSandbox(sandbox, { signal }), prompt, signal),
}
