import { EventType, type StreamChunk, type TextOptions } from "@tanstack/ai"
import { BaseTextAdapter } from "@tanstack/ai/adapters"
import { getSandbox, SandboxCapability, type SandboxHandle } from "@tanstack/ai-sandbox"
import { type ModelCall, nextCalls, type Script, type Seen } from "../frameworks/script.ts"

const answer = async (
  { fs, process }: SandboxHandle,
  { name, input }: ModelCall,
  signal: AbortSignal | undefined,
): Promise<string> => {
  const options = signal === undefined ? {} : { signal }
  switch (name) {
    case "write":
      await fs.write(String(input["path"]), String(input["content"]))
      return "Wrote it."
    case "start":
      await process.spawn(String(input["command"]))
      return "Started."
    default:
      return JSON.stringify(await process.exec(String(input["command"]), options))
  }
}

type Options = Record<string, unknown>

/** A coding agent as the framework has them: it works in the sandbox of its run. */
export class ScriptedHarness extends BaseTextAdapter<
  "scripted",
  Options,
  readonly ["text"],
  never
> {
  readonly name = "scripted"
  override readonly requires = [SandboxCapability] as const
  readonly script: Script

  constructor(script: Script) {
    super({}, "scripted")
    this.script = script
  }

  async *chatStream(options: TextOptions<Options>): AsyncIterable<StreamChunk> {
    if (options.capabilities === undefined) throw new Error("no sandbox")
    const sandbox = getSandbox(options.capabilities)
    const signal = options.abortController?.signal ?? options.request?.signal ?? undefined
    const ids = { runId: options.runId ?? "run", threadId: options.threadId ?? "thread" }
    const base = { model: this.model, timestamp: 0 }
    yield { type: EventType.RUN_STARTED, ...ids, ...base }
    const seen: Array<Seen> = []
    while (true) {
      const calls = nextCalls(this.script, seen)
      if (calls.length === 0) break
      for (const call of calls) {
        const text = await answer(sandbox, call, signal)
        seen.push({ id: call.id, text })
      }
    }
    const message = { messageId: "end", ...base }
    const delta = this.script.text
    yield { type: EventType.TEXT_MESSAGE_START, ...message, role: "assistant" }
    yield { type: EventType.TEXT_MESSAGE_CONTENT, ...message, delta, content: delta }
    yield { type: EventType.TEXT_MESSAGE_END, ...message }
    yield { type: EventType.RUN_FINISHED, ...ids, ...base, finishReason: "stop" }
  }

  async structuredOutput(): Promise<never> {
    throw new Error("not scripted")
  }
}
