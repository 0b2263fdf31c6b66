import type { ToolProgress } from "../progress.ts"
import type { PromiseTool } from "../promise/PromiseTool.ts"
import type { ToolResult } from "../Tool.ts"

// A command may write faster than anybody reads, so only the latest line is reported.
const pause = 200

/**
 * Runs a call and yields its progress messages, and its result last. Leaving the loop early ends
 * the call.
 */
export const withProgress = async function* (
  { execute }: PromiseTool,
  input: unknown,
  { signal }: { readonly signal?: AbortSignal },
): AsyncGenerator<ToolProgress | { readonly result: ToolResult }, void> {
  const left = new AbortController()
  let latest: ToolProgress | undefined
  let wake = () => {}
  const told = () => new Promise<"told">((resolve) => (wake = () => resolve("told")))
  const call = execute(input, {
    signal: signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]),
    onProgress: (progress) => {
      latest = progress
      wake()
    },
  })
  const over = call.then(
    () => "over" as const,
    () => "over" as const,
  )
  try {
    while ((await Promise.race([latest === undefined ? told() : "told", over])) === "told") {
      const progress = latest
      latest = undefined
      if (progress !== undefined) yield progress
      if ((await Promise.race([sleep(pause), over])) === "over") break
    }
    yield { result: await call }
  } finally {
    left.abort()
    await over
  }
}

const sleep = (milliseconds: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, milliseconds))
