import { aiSdkSandbox } from "@cordon/slots/ai-sdk"
import { agent } from "../../examples/slots/ai-sdk.ts"
import { scriptedModel } from "../frameworks/aiSdkModel.ts"
import { prompt } from "../frameworks/script.ts"
import { reading, type Slot } from "./slot.ts"

export const slot: Slot = {
  name: "ai-sdk",
  calls: {
    write: (path, content) => ({
      name: "writeFile",
      input: { path, content },
      reads: reading(`Wrote ${path}.`),
    }),
    exec: (command, text) => ({ name: "shell", input: { command }, reads: reading(text) }),
    start: (command) => ({ name: "start", input: { command }, reads: /Started/ }),
  },
  run: (sandbox, script, signal) =>
    agent(scriptedModel(script), aiSdkSandbox(sandbox), prompt, signal),
}
