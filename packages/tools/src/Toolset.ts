import { type InvalidInput, Sandboxes, SessionFiles } from "@cordon/core"
import { Effect, Record } from "effect"
import { makeAudit } from "./AuditTrail.ts"
import { withCeilings } from "./ceilings.ts"
import type { Tool, ToolInfo, ToolResult } from "./Tool.ts"
import { sandboxTools, type ToolName } from "./tools.ts"

/** A tool bound to a session. */
export interface BoundTool extends ToolInfo {
  readonly name: ToolName
  /** Never fails: a failure is a result that says so. Interrupting it ends what it started. */
  readonly handle: (input: unknown) => Effect.Effect<ToolResult>
}

/** The eight tools of one session. */
export interface Toolset {
  /** In the order in which a model should see them. */
  readonly tools: ReadonlyArray<BoundTool>
  readonly byName: Readonly<Record<ToolName, BoundTool>>
}

/** What a framework needs to know of a tool, without the tool. */
export const infoOf = (tool: Tool): ToolInfo => ({
  name: tool.name,
  title: tool.title,
  description: tool.description,
  inputSchema: tool.inputSchema,
  strictInputSchema: tool.strictInputSchema,
  outputSchema: tool.outputSchema,
  annotations: tool.annotations,
})

export const mapTools = <A>(f: (tool: Tool, name: ToolName) => A) => {
  const byName = Record.map<ToolName, Tool, A>(sandboxTools, f)
  return { tools: Object.values(byName), byName }
}

/**
 * Binds the eight tools to a session, whose ID has 1 to 256 characters; other sessions' sandboxes do
 * not exist to them.
 */
export const makeToolset = Effect.fnUntraced(function* (options: {
  readonly sessionId: string
}): Effect.fn.Return<Toolset, InvalidInput, Sandboxes | SessionFiles> {
  const sandboxes = yield* Sandboxes
  const files = yield* SessionFiles
  const session = yield* sandboxes.session(options.sessionId)
  const audited = yield* makeAudit(options.sessionId)
  return mapTools((tool, name) => ({
    ...withCeilings(infoOf(tool), sandboxes.policy),
    name,
    handle: (input) =>
      tool
        .call(session, input)
        .pipe(Effect.provideService(SessionFiles, files), audited(name, input)),
  }))
})
