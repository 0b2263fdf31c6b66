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
import { closeShells } from "./extra/shell.ts"
import { type ExtraTool, type ExtraToolName, extraOf } from "./extra.ts"
import { type SandboxToolName, sandboxSession, sandboxToolset } from "./oneSandbox.ts"
import { infoOf, type Tool, type ToolInfo, type ToolResult } from "./Tool.ts"
import { type AnyToolName, sandboxTools, type ToolName } from "./tools.ts"

/** A tool bound to a session. */
export interface BoundTool<Name extends AnyToolName = AnyToolName> extends ToolInfo {
  /** The name by which a model calls the tool. */
  readonly name: Name
  /** Never fails: a failure becomes a result. An interruption ends everything that the call started. */
  readonly handle: (input: unknown) => Effect.Effect<ToolResult>
}

/** The tools of one session, or those of one sandbox. */
export interface Toolset<Name extends AnyToolName = ToolName> {
  /** The tools, in the order in which a model should see them. */
  readonly tools: ReadonlyArray<BoundTool<Name>>
  /** The same tools by their names. */
  readonly byName: Readonly<Record<Name, BoundTool>>
  /** Ends the shells that its tools keep in sandboxes between calls; later calls begin others. */
  readonly close: Effect.Effect<void>
}

/** Something for each name of a tool. */
export const mapNames = <Name extends AnyToolName, A>(
  named: Readonly<Record<Name, unknown>>,
  f: (name: Name) => A,
): Readonly<Record<Name, A>> => Record.map<Name, unknown, A>(named, (_, name) => f(name))

export const mapTools = <A>(f: (tool: Tool, name: ToolName) => A) => {
  const byName = Record.map<ToolName, Tool, A>(sandboxTools, f)
  return { tools: Object.values(byName), byName }
}

/** Binds tools to a session, and writes their calls down. */
const bindTools = Effect.fnUntraced(function* <Name extends AnyToolName>(
  tools: Readonly<Record<Name, Tool>>,
  session: SandboxSession,
  sessionId: string,
  policy?: Policy,
): Effect.fn.Return<Toolset<Name>, never, SessionFiles> {
  const files = yield* SessionFiles
  const audited = yield* makeAudit(sessionId)
  const byName = Record.map<Name, Tool, BoundTool<Name>>(tools, (tool, name) => ({
    ...withCeilings(infoOf(tool), policy),
    name,
    handle: (input) =>
      tool
        .call(session, input)
        .pipe(Effect.provideService(SessionFiles, files), audited(name, input)),
  }))
  return { tools: Object.values<BoundTool<Name>>(byName), byName, close: closeShells(session) }
})

/** The eight tools, and those of some groups beside them. */
export const toolsWith = <Extra extends ExtraTool = never>(
  extra: ReadonlyArray<Extra> = [],
): Readonly<Record<ToolName | ExtraToolName<Extra>, Tool>> => ({
  ...sandboxTools,
  ...extraOf(extra),
})

/**
 * Binds the eight tools, and the extra tools if requested, to a session. Its ID has 1 to 256
 * characters. The tools can't see sandboxes of other sessions. `session` is an open session (see
 * `Sandboxes.openSession`). Default: a session that lasts as long as the `Sandboxes`.
 *
 * @example
 * import { makeToolset } from "@cordon/tools"
 *
 * const { byName } = yield* makeToolset({ sessionId: "user-42", extra: ["edit"] })
 * const result = yield* byName.sandbox_create.handle({ name: "web" })
 */
export const makeToolset = Effect.fnUntraced(function* <Extra extends ExtraTool = never>(options: {
  readonly sessionId: string
  readonly session?: SandboxSession
  /** Further groups of tools. Default: none. */
  readonly extra?: ReadonlyArray<Extra>
}): Effect.fn.Return<
  Toolset<ToolName | ExtraToolName<Extra>>,
  InvalidInput,
  Sandboxes | SessionFiles
> {
  const sandboxes = yield* Sandboxes
  const session = options.session ?? (yield* sandboxes.session(options.sessionId))
  const tools = toolsWith(options.extra)
  return yield* bindTools(tools, session, options.sessionId, sandboxes.policy)
})

/**
 * Binds the tools that use a sandbox to one existing sandbox. They act only on it, and neither
 * create nor remove sandboxes.
 *
 * @param options.sessionId the owner of the sandbox, for the audit trail
 * @example
 * import { makeSandboxToolset } from "@cordon/tools"
 *
 * const { tools } = yield* makeSandboxToolset({ sessionId: "user-42", sandbox })
 */
export const makeSandboxToolset = <Extra extends ExtraTool = never>(options: {
  readonly sessionId: string
  readonly sandbox: Sandbox
  /** Further groups of tools. Default: none. */
  readonly extra?: ReadonlyArray<Extra>
}): Effect.Effect<Toolset<SandboxToolName | ExtraToolName<Extra>>, never, SessionFiles> => {
  const { sandbox, sessionId, extra } = options
  return bindTools(sandboxToolset(sandbox, extra), sandboxSession(sandbox), sessionId)
}
