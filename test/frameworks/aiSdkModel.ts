import { MockLanguageModelV4 } from "ai/test"
import { nextCalls, type Script, type Seen } from "./script.ts"

type Options = Parameters<MockLanguageModelV4["doGenerate"]>[0]

const seenIn = (prompt: Options["prompt"]): ReadonlyArray<Seen> =>
  prompt.flatMap((message) =>
    message.role !== "tool"
      ? []
      : message.content.flatMap((part) => {
          if (part.type !== "tool-result") return []
          const { type, value } = "value" in part.output ? part.output : { type: "", value: "" }
          return [
            {
              id: part.toolCallId,
              text: typeof value === "string" ? value : JSON.stringify(value),
              failed: type === "error-text",
            },
          ]
        }),
  )

const usage = {
  inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 0, text: 0, reasoning: 0 },
}

/** A model of the AI SDK that plays the script. */
export const scriptedModel = (script: Script) =>
  new MockLanguageModelV4({
    doGenerate: async ({ prompt }) => {
      const calls = nextCalls(script, seenIn(prompt))
      const unified = calls.length === 0 ? ("stop" as const) : ("tool-calls" as const)
      return {
        content:
          calls.length === 0
            ? [{ type: "text", text: script.text }]
            : calls.map(({ id, name, input }) => ({
                type: "tool-call",
                toolCallId: id,
                toolName: name,
                input: JSON.stringify(input),
              })),
        finishReason: { unified, raw: undefined },
        usage,
        warnings: [],
      }
    },
  })
