import { computesdkProvider } from "@cordon/slots/computesdk"
import { compute } from "computesdk"
import { agent } from "../../examples/slots/computesdk.ts"
import { scriptedModel } from "../frameworks/aiSdkModel.ts"
import { prompt } from "../frameworks/script.ts"
import { reading, type Slot } from "./slot.ts"

/** ComputeSDK has no agent loop: its sandbox is given to the AI SDK's. */
export const slot: Slot = {
  name: "computesdk",
  calls: {
    write: (path, content) => ({
      name: "writeFile",
      input: { path, content },
      reads: reading(`Wrote ${path}.`),
    }),
    exec: (command, text) => ({ name: "shell", input: { command }, reads: reading(text) }),
    start: (command) => ({ name: "start", input: { command }, reads: /Started/ }),
  },
  run: async ({ name }, script, signal, sandboxes) => {
    const { sandbox } = compute({ provider: computesdkProvider({ sandboxes, signal }) })
    const found = await sandbox.getById(name)
    if (found === null) throw new Error(`there is no sandbox ${name}`)
    return await agent(scriptedModel(script), found, prompt, signal)
  },
}
