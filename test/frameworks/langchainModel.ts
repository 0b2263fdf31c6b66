import { BaseChatModel } from "@langchain/core/language_models/chat_models"
import { AIMessage, type BaseMessage, ToolMessage } from "@langchain/core/messages"
import type { ChatResult } from "@langchain/core/outputs"
import { nextCalls, type Script } from "./script.ts"

/** A model of LangChain that plays the script. */
export class ScriptedModel extends BaseChatModel {
  readonly script: Script

  constructor(script: Script) {
    super({})
    this.script = script
  }

  override _llmType() {
    return "scripted"
  }

  override bindTools() {
    return this
  }

  override async _generate(messages: ReadonlyArray<BaseMessage>): Promise<ChatResult> {
    const seen = messages.flatMap((message) =>
      ToolMessage.isInstance(message)
        ? [{ id: message.tool_call_id, text: message.text, failed: message.status === "error" }]
        : [],
    )
    const calls = nextCalls(this.script, seen)
    const message = new AIMessage({
      content: calls.length === 0 ? this.script.text : "",
      tool_calls: calls.map(({ id, name, input }) => ({ id, name, args: { ...input } })),
    })
    return { generations: [{ text: message.text, message }] }
  }
}
