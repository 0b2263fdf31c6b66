import { randomUUID } from "node:crypto"
import type { CordonError, InvalidInput, Sandboxes } from "@cordon/core"
import { StdioServerTransport, serveStdio as serve } from "@modelcontextprotocol/server/stdio"
import { Effect } from "effect"
import { type McpOptions, openSession } from "./session.ts"

export interface StdioOptions extends McpOptions {
  /**
   * Who owns the sandboxes; a random one by default. Give your own, and `keep`, to find the same
   * sandboxes in the next process.
   */
  readonly sessionId?: string
}

/**
 * Serves one client over standard input and output, until it closes standard input. Standard output
 * is the protocol's alone: log to standard error (`Logger.LogToStderr`).
 */
export const serveStdio: (
  options?: StdioOptions,
) => Effect.Effect<void, InvalidInput | CordonError, Sandboxes> = Effect.fnUntraced(function* ({
  sessionId = randomUUID(),
  ...options
}: StdioOptions = {}) {
  const connect = yield* openSession(sessionId, options)
  yield* Effect.callback<void>((resume) => {
    const transport = new StdioServerTransport()
    const handle = serve(connect, { transport })
    // The entry has its own onclose on the transport: standard input itself tells of the end.
    process.stdin.once("close", () => resume(Effect.void))
    process.stdin.once("end", () => resume(Effect.void))
    return Effect.promise(() => handle.close())
  })
}, Effect.scoped)
