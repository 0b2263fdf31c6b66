import {
  type BaseModelConfig,
  type Message,
  Model,
  type ModelStreamEvent,
} from "@strands-agents/sdk"
import { nextCalls, type Script, type Seen } from "./script.ts"

const seenIn = (messages: ReadonlyArray<Message>): ReadonlyArray<Seen> =>
  messages.flatMap(({ content }) =>
    content.flatMap((block) =>
      block.type === "toolResultBlock"
        ? [
            {
              id: block.toolUseId,
              text: JSON.stringify(block.content.map((part) => part.toJSON())),
              failed: block.status === "error",
            },
          ]
        : [],
    ),
  )

/** A model of Strands that plays the script. */
export class ScriptedModel extends Model<BaseModelConfig> {
  readonly #script: Script

  constructor(script: Script) {
    super()
    this.#script = script
  }

  override updateConfig() {}

  override getConfig(): BaseModelConfig {
    return { modelId: "scripted" }
  }

  override async *stream(messages: Array<Message>): AsyncGenerator<ModelStreamEvent> {
    const calls = nextCalls(this.#script, seenIn(messages))
    yield { type: "modelMessageStartEvent", role: "assistant" }
    if (calls.length === 0) {
      yield { type: "modelContentBlockStartEvent" }
      const delta = { type: "textDelta", text: this.#script.text } as const
      yield { type: "modelContentBlockDeltaEvent", delta }
      yield { type: "modelContentBlockStopEvent" }
    }
    for (const { id, name, input } of calls) {
      const start = { type: "toolUseStart", name, toolUseId: id } as const
      yield { type: "modelContentBlockStartEvent", start }
      const delta = { type: "toolUseInputDelta", input: JSON.stringify(input) } as const
      yield { type: "modelContentBlockDeltaEvent", delta }
      yield { type: "modelContentBlockStopEvent" }
    }
    const stopReason = calls.length === 0 ? "endTurn" : "toolUse"
    yield { type: "modelMessageStopEvent", stopReason }
  }
}
