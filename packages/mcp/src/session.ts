import {
  type CordonError,
  type InvalidInput,
  Sandboxes,
  type SandboxSession,
  type SessionFiles,
  sessionFilesMemory,
} from "@cordon/core"
import { type BoundTool, makeToolset } from "@cordon/tools"
import type { Server } from "@modelcontextprotocol/server"
import { Effect, FiberSet, Layer, type Scope } from "effect"
import { makeServer } from "./server.ts"

/** What an MCP session is given, whatever it comes over. */
export interface McpOptions {
  /**
   * Where a session's uploads come from and its downloads go to. Without it sandbox_upload and
   * sandbox_download are not offered: nobody could reach the files.
   */
  readonly files?: (sessionId: string) => Layer.Layer<SessionFiles, CordonError>
  /**
   * Whether sandboxes outlive their MCP session, until their lease ends; false by default. With
   * Effect, `removeOnClose` of the `Sandboxes` must be false as well.
   */
  readonly keep?: boolean
}

/** Makes a server for a connection of the session. */
export type Connect = () => Server

/**
 * Opens a session. Closing the scope ends its calls, and then removes its sandboxes.
 *
 * @param sessionId who owns the sandboxes
 */
export const openSession = Effect.fnUntraced(function* (
  sessionId: string,
  { files, keep = false }: McpOptions,
): Effect.fn.Return<Connect, InvalidInput | CordonError, Sandboxes | Scope.Scope> {
  const session = yield* (yield* Sandboxes).session(sessionId)
  const services = yield* Layer.build(files?.(sessionId) ?? sessionFilesMemory)
  const toolset = yield* Effect.provideContext(makeToolset({ sessionId }), services)
  if (!keep) yield* Effect.addFinalizer(() => removeAll(session))
  // Closed first, so that no call is left to make another sandbox.
  const run = yield* FiberSet.makeRuntimePromise()
  const offered = files === undefined ? toolset.tools.filter(needsNoFiles) : toolset.tools
  return () => makeServer(offered, run)
})

/** Removes all that a session has; what can't be removed is left to its lease. */
const removeAll = (session: SandboxSession) =>
  session.list.pipe(
    Effect.flatMap((sandboxes) =>
      Effect.forEach(
        sandboxes,
        ({ id }) => Effect.flatMap(session.get(id), (sandbox) => sandbox.remove),
        { concurrency: 4, discard: true },
      ),
    ),
    Effect.catchTag("SandboxNotFound", () => Effect.void),
    Effect.catch((error) =>
      Effect.logWarning("Could not remove the sandboxes of a session that ended", error),
    ),
  )

const needsNoFiles = ({ name }: BoundTool) =>
  name !== "sandbox_upload" && name !== "sandbox_download"
