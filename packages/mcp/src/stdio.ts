import { randomUUID } from "node:crypto"
import type { CordonError, InvalidInput, Sandboxes } from "@cordon/core"
import { serveStdio as serve } from "@modelcontextprotocol/server/stdio"
import { Effect } from "effect"
import { type McpOptions, openSession } from "./session.ts"

export interface StdioOptions extends McpOptions {
  /**
   * Who owns the sandboxes; a random one by default. Give your own, and `keep`, to find the same
   * sandboxes in the next process.
   */
  readonly sessionId?: string | undefined
}

/**
 * Serves one client over standard input and output, until it closes standard input. Standard output
 * is the protocol's alone: log to standard error (`Logger.LogToStderr`).
 *
 * @example
 * import { Sandboxes } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 * import { serveStdio } from "@cordon/mcp"
 * import { Effect, Layer, Logger } from "effect"
 *
 * const program = serveStdio().pipe(
 *   Effect.provide(Layer.provide(Sandboxes.layer(), docker())),
 *   Effect.provideService(Logger.LogToStderr, true),
 * )
 */
export const serveStdio: (
  options?: StdioOptions,
) => Effect.Effect<void, InvalidInput | CordonError, Sandboxes> = Effect.fnUntraced(function* ({
  sessionId = randomUUID(),
  ...options
}: StdioOptions = {}) {
  const { connect } = yield* openSession(sessionId, options)
  yield* Effect.acquireRelease(
    Effect.sync(() => serve(connect)),
    (handle) => Effect.promise(() => handle.close()),
  )
  yield* standardInputEnded
}, Effect.scoped)

const standardInputEnded = Effect.callback<void>((resume) => {
  const ended = () => resume(Effect.void)
  process.stdin.once("end", ended).once("close", ended)
  return Effect.sync(() => process.stdin.off("end", ended).off("close", ended))
})
