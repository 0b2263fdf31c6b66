import {
  type CordonError,
  type InvalidInput,
  Sandboxes,
  type SessionFiles,
  sessionFilesMemory,
} from "@cordon/core"
import { type BoundTool, type ExtraTool, makeToolset, type ToolResult } from "@cordon/tools"
import type { Server } from "@modelcontextprotocol/server"
import { Effect, FiberSet, Layer, Option, type Scope } from "effect"
import { makeServer } from "./server.ts"

/** The options of an MCP session over any transport. */
export interface McpOptions {
  /**
   * Where a session's uploads come from and its downloads go to. Without it, the tools sandbox_upload and
   * sandbox_download are not offered, since nobody could reach the files.
   */
  readonly files?: (sessionId: string) => Layer.Layer<SessionFiles, CordonError>
  /** Groups of tools beside the eight, as for `createTools`; none by default. */
  readonly extra?: ReadonlyArray<ExtraTool>
  /** Whether sandboxes outlive their MCP session, until their lease ends; false by default. */
  readonly keep?: boolean
}

/** A session that was opened. */
export interface OpenSession {
  /** Makes a server for a connection of the session. */
  readonly connect: () => Server
  /** Whether the session may have a sandbox, which its end would remove. */
  readonly hasSandboxes: () => boolean
}

/**
 * Opens a session. Closing the scope ends its calls, and then removes the sandboxes that they made.
 *
 * @param sessionId the session of Cordon that owns the sandboxes
 */
export const openSession = Effect.fnUntraced(function* (
  sessionId: string,
  { files, extra = [], keep = false }: McpOptions,
): Effect.fn.Return<OpenSession, InvalidInput | CordonError, Sandboxes | Scope.Scope> {
  const sandboxes = yield* Sandboxes
  const session = yield* sandboxes.openSession(sessionId, { removeOnClose: !keep })
  const services = yield* Layer.build(files?.(sessionId) ?? Layer.fresh(sessionFilesMemory))
  const toolset = yield* Effect.provideContext(makeToolset({ sessionId, session, extra }), services)
  yield* Effect.addFinalizer(() => toolset.close)
  // Added last, so that it is closed first: no call is left then that could make another sandbox.
  const run = yield* FiberSet.makeRuntimePromise()
  const offered = files === undefined ? toolset.tools.filter(needsNoFiles) : toolset.tools
  let holding = false
  const look = Effect.tap(Effect.option(session.list), (found) =>
    Effect.sync(() => {
      if (Option.isSome(found)) holding = found.value.length > 0
    }),
  )
  const watched = offered.map((tool): BoundTool => {
    if (tool.name === "sandbox_list") return tool
    const after = (result: ToolResult) =>
      Effect.suspend(() => {
        // A call that succeeds used a sandbox. sandbox_manage may have removed the last one.
        if (result.ok) holding = true
        return tool.name === "sandbox_manage" ? look : Effect.void
      })
    return { ...tool, handle: (input) => Effect.tap(tool.handle(input), after) }
  })
  return { connect: () => makeServer(watched, run, extra), hasSandboxes: () => holding }
})

const needsNoFiles = ({ name }: BoundTool) =>
  name !== "sandbox_upload" && name !== "sandbox_download"
