// A model that knows one task by heart, so that you see the loop without a key. Delete it, and its
// import, once you have set MODEL.
import { MockLanguageModelV4 } from "ai/test"

type Answer = Awaited<ReturnType<MockLanguageModelV4["doGenerate"]>>

const answer = (
  content: Answer["content"],
  unified: Answer["finishReason"]["unified"],
): Answer => ({
  content,
  finishReason: { unified, raw: undefined },
  usage: {
    inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 0, text: 0, reasoning: 0 },
  },
  warnings: [],
})

const call = (toolName: string, input: object) =>
  answer(
    [{ type: "tool-call", toolCallId: toolName, toolName, input: JSON.stringify(input) }],
    "tool-calls",
  )

export const rehearsedModel = () => {
  const content = "seq 2 30 | factor | awk 'NF == 2 { print $2 }' | xargs\n"
  const answers = [
    call("sandbox_create", { name: "code", memory: "256MiB", network: "none" }),
    call("sandbox_write_file", { sandbox: "code", path: "primes.sh", content }),
    call("sandbox_exec", { sandbox: "code", command: "sh primes.sh" }),
    call("sandbox_download", { sandbox: "code", from: "primes.sh", to: "primes.sh" }),
  ]
  const end = answer([{ type: "text", text: "primes.sh prints them; it is in files." }], "stop")
  return new MockLanguageModelV4({ doGenerate: async () => answers.shift() ?? end })
}
