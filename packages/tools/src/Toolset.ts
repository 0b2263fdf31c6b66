import {
  type InvalidInput,
  type Policy,
  type Sandbox,
  Sandboxes,
  type SandboxSession,
  SessionFiles,
} from "@cordon/core"
import { Effect, Record } from "effect"
import { makeAudit } from "./AuditTrail.ts"
import { withCeilings } from "./ceilings.ts"
import { type SandboxToolName, sandboxSession, sandboxToolset } from "./oneSandbox.ts"
import { infoOf, type Tool, type ToolInfo, type ToolResult } from "./Tool.ts"
import { sandboxTools, type ToolName } from "./tools.ts"

/** A tool bound to a session. */
export interface BoundTool extends ToolInfo {
  readonly name: ToolName
  /** Never fails: a failure is a result that says so. Interrupting it ends what it started. */
  readonly handle: (input: unknown) => Effect.Effect<ToolResult>
}

/** The tools of one session, or those of one sandbox. */
export interface Toolset<Name extends ToolName = ToolName> {
  /** In the order in which a model should see them. */
  readonly tools: ReadonlyArray<BoundTool>
  readonly byName: Readonly<Record<Name, BoundTool>>
}

/** Something for each name of a tool. */
export const mapNames = <Name extends ToolName, A>(
  named: Readonly<Record<Name, unknown>>,
  f: (name: Name) => A,
): Readonly<Record<Name, A>> => Record.map<Name, unknown, A>(named, (_, name) => f(name))

export const mapTools = <A>(f: (tool: Tool, name: ToolName) => A) => {
  const byName = Record.map<ToolName, Tool, A>(sandboxTools, f)
  return { tools: Object.values(byName), byName }
}

/** Binds tools to a session, and writes their calls down. */
const bindTools = Effect.fnUntraced(function* <Name extends ToolName>(
  tools: Readonly<Record<Name, Tool>>,
  session: SandboxSession,
  sessionId: string,
  policy?: Policy,
): Effect.fn.Return<Toolset<Name>, never, SessionFiles> {
  const files = yield* SessionFiles
  const audited = yield* makeAudit(sessionId)
  const byName = Record.map<Name, Tool, BoundTool>(tools, (tool, name) => ({
    ...withCeilings(infoOf(tool), policy),
    name,
    handle: (input) =>
      tool
        .call(session, input)
        .pipe(Effect.provideService(SessionFiles, files), audited(name, input)),
  }))
  return { tools: Object.values<BoundTool>(byName), byName }
})

/**
 * Binds the eight tools to a session, whose ID has 1 to 256 characters; other sessions' sandboxes do
 * not exist to them. `session` is one that is open (see `Sandboxes.openSession`); by default it is one
 * that lasts as long as the `Sandboxes`.
 */
export const makeToolset = Effect.fnUntraced(function* (options: {
  readonly sessionId: string
  readonly session?: SandboxSession
}): Effect.fn.Return<Toolset, InvalidInput, Sandboxes | SessionFiles> {
  const sandboxes = yield* Sandboxes
  const session = options.session ?? (yield* sandboxes.session(options.sessionId))
  return yield* bindTools<ToolName>(sandboxTools, session, options.sessionId, sandboxes.policy)
})

/**
 * Binds the tools that use a sandbox to one that is there. They act on it alone, and neither make nor
 * remove any.
 *
 * @param options.sessionId who owns it, for the audit trail
 */
export const makeSandboxToolset = (options: {
  readonly sessionId: string
  readonly sandbox: Sandbox
}): Effect.Effect<Toolset<SandboxToolName>, never, SessionFiles> =>
  bindTools(sandboxToolset(options.sandbox), sandboxSession(options.sandbox), options.sessionId)
