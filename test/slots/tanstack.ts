import { tanstackSandbox } from "@cordon/slots/tanstack"
import { agent } from "../../examples/slots/tanstack.ts"
import { prompt } from "../frameworks/script.ts"
import { reading, type Slot } from "./slot.ts"
import { ScriptedHarness } from "./tanstackHarness.ts"

export const slot: Slot = {
  name: "tanstack",
  notInMemory:
    "the framework sets a workspace up in a background process, which the memory driver lacks",
  calls: {
    write: (path, content) => ({ name: "write", input: { path, content }, reads: /Wrote/ }),
    exec: (command, text) => ({ name: "exec", input: { command }, reads: reading(text) }),
    start: (command) => ({ name: "start", input: { command }, reads: /Started/ }),
  },
  run: (sandbox, script, signal, sandboxes) => {
    const controller = new AbortController()
    signal.addEventListener("abort", () => controller.abort(signal.reason))
    const provider = tanstackSandbox({ sandboxes })
    // The framework asks for the sandbox of a thread, by an ID of its own: here it is the one that is there.
    const resuming = { ...provider, create: async () => await resumeOnly(provider, sandbox.name) }
    return agent(new ScriptedHarness(script), resuming, sandbox.name, prompt, controller)
  },
}

const resumeOnly = async (provider: ReturnType<typeof tanstackSandbox>, id: string) => {
  const found = await provider.resume({ id })
  if (found === null) throw new Error("it is gone")
  return found
}
