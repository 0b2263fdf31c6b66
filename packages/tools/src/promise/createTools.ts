import {
  backingOfSandbox,
  backingOfSession,
  checkInput,
  createSandboxes,
  createSandboxesFields,
  InvalidInput,
  optionsOf,
  type PromiseSandboxes,
  type SessionBacking,
} from "@cordon/core"
import { Effect, Predicate, Schema } from "effect"
import { type ExtraTool, type ExtraToolName, extraShape } from "../extra.ts"
import { type SandboxToolName, sandboxToolset } from "../oneSandbox.ts"
import { makeSandboxToolset, makeToolset, toolsWith } from "../Toolset.ts"
import type { ToolName } from "../tools.ts"
import type {
  Audited,
  CreateToolsOptions,
  ExtraTools,
  PromiseSandboxToolset,
  PromiseToolset,
  SandboxToolsOptions,
  SharedToolsOptions,
} from "./PromiseTool.ts"
import { promised } from "./promised.ts"

const { driver, sessionId, files, removeOnClose, ...settings } = createSandboxesFields
const ours = {
  extra: extraShape,
  onToolCall: Schema.declare((value): value is unknown => typeof value === "function", {
    expected: "a function",
  }),
}

/** The options of `createTools`. `backed` checks later that `sandboxes` or `sandbox` is an object of ours. */
const shapes = {
  own: optionsOf({ ...settings, sessionId, files, removeOnClose, ...ours }, { driver }),
  shared: optionsOf({ sandboxes: Schema.Unknown, sessionId, files, removeOnClose, ...ours }),
  sandbox: optionsOf({ sandbox: Schema.Unknown, ...ours }),
}

const toolsOf = <Extra extends ExtraTool>(
  sandboxes: PromiseSandboxes,
  { extra = [], ...audited }: Audited & ExtraTools<Extra>,
): PromiseToolset<ToolName | ExtraToolName<Extra>> => {
  const { sessionId } = sandboxes
  const backing = backed(backingOfSession(sandboxes), "sandboxes", "createSandboxes or session")
  const make = Effect.flatMap(backing.session, (session) =>
    makeToolset({ sessionId, session, extra }),
  )
  const subject = `toolset of session ${JSON.stringify(sessionId)}`
  const { end, ...tools } = promised({ backing, subject, infos: toolsWith(extra), make }, audited)
  const close = async () => {
    await end()
    await sandboxes.close()
  }
  return { sessionId, sandboxes, ...tools, close, [Symbol.asyncDispose]: close }
}

const sharedTools = <Extra extends ExtraTool>({
  onToolCall,
  extra,
  sandboxes,
  ...options
}: SharedToolsOptions<Extra>) => {
  backed(backingOfSession(sandboxes), "sandboxes", "createSandboxes or session")
  const { sessionId = sandboxes.sessionId, ...sessionOptions } = options
  const own = sandboxes.session(sessionId, sessionOptions)
  refuseSharedStorage(backingOfSession(own))
  return toolsOf(own, { onToolCall, extra })
}

const toolsOfSandbox = <Extra extends ExtraTool>({
  sandbox,
  extra = [],
  ...audited
}: SandboxToolsOptions<Extra>): PromiseSandboxToolset<SandboxToolName | ExtraToolName<Extra>> => {
  const backing = backed(backingOfSandbox(sandbox), "sandbox", "create or get")
  refuseSharedStorage(backing.session)
  const { sessionId } = backing.session
  const infos = sandboxToolset(backing.sandbox, extra)
  const make = makeSandboxToolset({ sessionId, sandbox: backing.sandbox, extra })
  const subject = `toolset of sandbox ${JSON.stringify(sandbox.name)}`
  const source = { backing: backing.session, subject, infos, make }
  const { end, ...tools } = promised(source, audited)
  return { sessionId, sandbox, ...tools, close: end, [Symbol.asyncDispose]: end }
}

const backed = <A>(backing: A | undefined, option: string, origin: string): A => {
  if (backing !== undefined) return backing
  throw new InvalidInput({
    subject: option,
    issue: `it is not an object that ${origin} returned; give that object itself, made by the same version of @cordon/core`,
  })
}

/** A model chooses the paths: in a storage that all sessions share, it would read and replace others' files. */
const refuseSharedStorage = (backing: SessionBacking | undefined) => {
  if (backing?.sharedStorage !== true) return
  throw new InvalidInput({
    subject: "files",
    issue:
      "all sessions of these sandboxes share one file storage; give createSandboxes a function, (sessionId) => layer, or give this session its own files",
  })
}

/**
 * The eight tools, for programs that do not use Effect. Given `sandboxes`, they are those of one of
 * many sessions that share a driver, its connections and its reaper; given a `sandbox`, they are the
 * five that act on it alone.
 *
 * @example
 * import { createSandboxes } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 * import { createTools } from "@cordon/tools"
 *
 * await using sandboxes = createSandboxes({ driver: docker() })
 * await using toolset = createTools({ sandboxes, sessionId: "user-42" })
 * const result = await toolset.byName.sandbox_create.execute({ name: "web-1" })
 * console.log(result.text)
 */
export function createTools<const Extra extends ExtraTool = never>(
  options: CreateToolsOptions<Extra>,
): PromiseToolset<ToolName | ExtraToolName<Extra>>
export function createTools<const Extra extends ExtraTool = never>(
  options: SharedToolsOptions<Extra>,
): PromiseToolset<ToolName | ExtraToolName<Extra>>
export function createTools<const Extra extends ExtraTool = never>(
  options: SandboxToolsOptions<Extra>,
): PromiseSandboxToolset<SandboxToolName | ExtraToolName<Extra>>
export function createTools<Extra extends ExtraTool>(
  options: CreateToolsOptions<Extra> | SharedToolsOptions<Extra> | SandboxToolsOptions<Extra>,
): object {
  const shape = Predicate.hasProperty(options, "sandbox")
    ? shapes.sandbox
    : Predicate.hasProperty(options, "sandboxes")
      ? shapes.shared
      : shapes.own
  checkInput("options of createTools", shape, options)
  if ("sandbox" in options) return toolsOfSandbox(options)
  if ("sandboxes" in options) return sharedTools(options)
  const { onToolCall, extra, ...rest } = options
  const own = { onToolCall, extra }
  return toolsOf(createSandboxes(rest), own)
}
