import { type AnyTextAdapter, chat, EventType } from "@tanstack/ai"
import {
  defineSandbox,
  defineWorkspace,
  type SandboxProvider,
  withSandbox,
} from "@tanstack/ai-sandbox"

export const agent = async (
  adapter: AnyTextAdapter,
  provider: SandboxProvider,
  threadId: string,
  prompt: string,
  abortController: AbortController,
) => {
  const sandbox = defineSandbox({
    id: "repo-agent",
    provider,
    workspace: defineWorkspace({ source: { type: "none" }, setup: ["echo ready > ready.txt"] }),
    lifecycle: { reuse: "thread", snapshot: "none" },
  })
  let text = ""
  const stream = chat({
    threadId,
    adapter,
    messages: [{ role: "user", content: prompt }],
    middleware: [withSandbox(sandbox)],
    abortController,
  })
  for await (const chunk of stream) {
    if (chunk.type === EventType.TEXT_MESSAGE_CONTENT) text += chunk.delta
  }
  return text
}
