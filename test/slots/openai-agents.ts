import { openaiAgentsSession } from "@cordon/slots/openai-agents"
import { OpenAIProvider, setTracingDisabled } from "@openai/agents"
import { agent } from "../../examples/slots/openai-agents.ts"
import { withProvider } from "../frameworks/providers.ts"
import { prompt, type Script } from "../frameworks/script.ts"
import { reading, type Slot } from "./slot.ts"

setTracingDisabled(true)

/** A model of the framework that plays the script. */
export const withModel = <A>(
  script: Script,
  body: (model: Awaited<ReturnType<OpenAIProvider["getModel"]>>) => Promise<A>,
): Promise<A> =>
  withProvider(script, async (origin) => {
    const provider = new OpenAIProvider({
      apiKey: "none",
      baseURL: `${origin}/v1`,
      useResponses: false,
    })
    return body(await provider.getModel("scripted"))
  })

const added = (content: string) =>
  content
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => `+${line}`)
    .join("\n")

export const slot: Slot = {
  name: "openai-agents",
  calls: {
    write: (path, content) => ({
      name: "apply_patch",
      input: {
        patch: `*** Begin Patch\n*** Add File: ${path}\n${added(content)}\n*** End Patch`,
      },
      reads: /Patch applied/,
    }),
    exec: (cmd, text) => ({
      name: "exec_command",
      input: { cmd, yield_time_ms: 60_000 },
      reads: reading(text),
    }),
    start: (cmd) => ({
      name: "exec_command",
      input: { cmd, yield_time_ms: 500 },
      reads: /Process running with session ID 1/,
    }),
  },
  run: async (sandbox, script, signal) => {
    const session = openaiAgentsSession(sandbox)
    // The framework hands no signal to a command: it ends with the session.
    const closed = new Promise<void>((resolve, reject) => {
      signal.addEventListener("abort", () => session.close().then(resolve, reject))
    })
    try {
      return await withModel(script, (model) => agent(model, { session }, prompt, signal))
    } finally {
      if (signal.aborted) await closed
    }
  },
}
