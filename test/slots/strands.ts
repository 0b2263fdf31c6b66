import { type PromiseSandbox, shellWord } from "@cordon/core"
import { StrandsSandbox } from "@cordon/slots/strands"
import { agent } from "../../examples/slots/strands.ts"
import { prompt, type Script } from "../frameworks/script.ts"
import { ScriptedModel } from "../frameworks/strandsModel.ts"
import { reading, type Slot } from "./slot.ts"

/** A call of the framework's shell. */
export const shell = (command: string, text: string) => ({
  name: "sandbox_shell",
  input: { command },
  reads: reading(text),
})

/** The framework's own loop, with a model that plays the script: what it says in the end. */
export const run = (sandbox: PromiseSandbox, script: Script, signal: AbortSignal) =>
  agent(new ScriptedModel(script), new StrandsSandbox(sandbox, { signal }), prompt, signal)

export const slot: Slot = {
  name: "strands",
  calls: {
    // The framework's editor replaces no file that is there.
    write: (path, content) =>
      shell(
        `mkdir -p src; printf %s ${shellWord(content)} > ${path}; echo Wrote ${path}`,
        `Wrote ${path}`,
      ),
    exec: shell,
    start: (command) => shell(`nohup ${command} >/dev/null 2>&1 & echo begun`, "begun"),
  },
  run,
}
