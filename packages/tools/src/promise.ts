import {
  backingOfSandbox,
  backingOfSession,
  Closed,
  type CreateSandboxesOptions,
  checkInput,
  createSandboxes,
  createSandboxesFields,
  InvalidInput,
  optionsOf,
  type PromiseSandbox,
  type PromiseSandboxes,
  type PromiseSessionOptions,
  runExit,
  type Sandboxes,
  type SessionBacking,
  SessionFiles,
  type SetupError,
} from "@cordon/core"
import {
  Cause,
  Deferred,
  Duration,
  Effect,
  Exit,
  identity,
  Predicate,
  Schema,
  Stream,
} from "effect"
import { AuditTrail, type ToolCall } from "./AuditTrail.ts"
import { policyOf, withCeilings } from "./ceilings.ts"
import { setupMessage } from "./errorMessage.ts"
import { type ExtraTool, type ExtraToolName, extraShape } from "./extra.ts"
import { type SandboxToolName, sandboxToolset } from "./oneSandbox.ts"
import { OnToolProgress, type ToolProgress } from "./progress.ts"
import { asResult, infoOf, type ToolInfo, type ToolResult } from "./Tool.ts"
import { makeSandboxToolset, makeToolset, mapNames, type Toolset, toolsWith } from "./Toolset.ts"
import type { AnyToolName, ToolName } from "./tools.ts"

/** A tool of a session, for programs that do not use Effect. */
export interface PromiseTool<Name extends AnyToolName = AnyToolName> extends ToolInfo {
  readonly name: Name
  /**
   * Resolves whatever happens: a failure is a result that says so. Only aborting `signal` rejects,
   * with its reason, after what the call started (a command, a creation) was ended.
   */
  readonly execute: (
    input: unknown,
    options?: {
      readonly signal?: AbortSignal | undefined
      /** Told of pulls of an image, and of the output of a command line by line. */
      readonly onProgress?: ((progress: ToolProgress) => void) | undefined
    },
  ) => Promise<ToolResult>
}

/** Tools as an agent framework is given them. */
export interface PromiseTools {
  /** In the order in which a model should see them. */
  readonly tools: ReadonlyArray<PromiseTool>
}

/** The tools of one session, the eight unless more were asked for, and the sandboxes that they are for. */
export interface PromiseToolset<Name extends AnyToolName = ToolName>
  extends PromiseTools,
    AsyncDisposable {
  readonly sessionId: string
  readonly tools: ReadonlyArray<PromiseTool<Name>>
  readonly byName: Readonly<Record<Name, PromiseTool<Name>>>
  /** The session of the tools: what an agent makes is there for the program as well. */
  readonly sandboxes: PromiseSandboxes
  /**
   * Removes the sandboxes that the tools made (unless `removeOnClose` is false), and lets go of what
   * was not given: calls that are under way end, later ones say that it is closed.
   */
  readonly close: () => Promise<void>
}

/** The tools that act on one sandbox: run, read, write, upload and download, unless more were asked for. */
export interface PromiseSandboxToolset<Name extends AnyToolName = SandboxToolName>
  extends PromiseTools,
    AsyncDisposable {
  readonly sessionId: string
  readonly tools: ReadonlyArray<PromiseTool<Name>>
  readonly byName: Readonly<Record<Name, PromiseTool<Name>>>
  readonly sandbox: PromiseSandbox
  /** Ends calls that are under way, and refuses later ones. The sandbox stays. */
  readonly close: () => Promise<void>
}

interface Audited {
  /** Told of every call of a tool when it has ended: an audit trail, without contents. */
  readonly onToolCall?: ((call: ToolCall) => void) | undefined
}

/** Which tools a toolset has beside those that it always has. */
export interface ExtraTools<Extra extends ExtraTool = ExtraTool> {
  /**
   * Groups of tools: `edit`, `patch`, `glob`, `grep`, `processes`, `ports`, `shell`. None by default: each
   * tool costs a model attention.
   */
  readonly extra?: ReadonlyArray<Extra> | undefined
}

/** Tools that run on something of their own. */
export interface CreateToolsOptions<Extra extends ExtraTool = ExtraTool>
  extends CreateSandboxesOptions,
    Audited,
    ExtraTools<Extra> {}

/** Tools of one of many sessions that run on the same. */
export interface SharedToolsOptions<Extra extends ExtraTool = ExtraTool>
  extends PromiseSessionOptions,
    Audited,
    ExtraTools<Extra> {
  /** What `createSandboxes` or its `session` returned. */
  readonly sandboxes: PromiseSandboxes
  /** Who owns what the tools make; the session of `sandboxes` by default. */
  readonly sessionId?: string | undefined
}

/** Tools of one sandbox. */
export interface SandboxToolsOptions<Extra extends ExtraTool = ExtraTool>
  extends Audited,
    ExtraTools<Extra> {
  /** A ready one, that `create` or `get` returned. */
  readonly sandbox: PromiseSandbox
}

const { driver, sessionId, files, removeOnClose, ...settings } = createSandboxesFields
const ours = {
  extra: extraShape,
  onToolCall: Schema.declare((value): value is unknown => typeof value === "function", {
    expected: "a function",
  }),
}

/** What `createTools` takes. Whether what it is given is ours is looked at where it is used. */
const shapes = {
  own: optionsOf({ ...settings, sessionId, files, removeOnClose, ...ours }, { driver }),
  shared: optionsOf({ sandboxes: Schema.Unknown, sessionId, files, removeOnClose, ...ours }),
  sandbox: optionsOf({ sandbox: Schema.Unknown, ...ours }),
}

/** An audit trail that calls back; what the program throws there is its own, and in its log. */
const auditOf = (onToolCall: (call: ToolCall) => void) =>
  AuditTrail.of({
    record: (call) =>
      Effect.sync(() => onToolCall(call)).pipe(
        Effect.catchDefect((defect) => Effect.logError("onToolCall threw", defect)),
      ),
    calls: Stream.never,
  })

/** What the tools of a session or a sandbox are made of. */
interface Source<Name extends AnyToolName> {
  readonly backing: SessionBacking
  /** What is closed with the tools, as an error names it. */
  readonly subject: string
  readonly infos: Readonly<Record<Name, ToolInfo>>
  readonly make: Effect.Effect<Toolset<Name>, SetupError, Sandboxes | SessionFiles>
}

/** The tools as promises. */
const promised = <Name extends AnyToolName>(
  { backing, subject, infos, make }: Source<Name>,
  { onToolCall }: Audited,
) => {
  const { runtime, storage } = backing
  const policy = policyOf(backing.settings)
  const closing = Deferred.makeUnsafe<void>()
  const refuse = Effect.suspend(() => Effect.fail(new Closed({ subject })))
  let made: Toolset<Name> | undefined
  const closed = Effect.andThen(Deferred.await(closing), refuse)
  // Made by the first call, and by the next one where that failed.
  const toolset = Effect.runSync(
    Effect.cachedWithTTL(
      Effect.uninterruptible(
        make.pipe(
          Effect.provideServiceEffect(SessionFiles, storage),
          onToolCall === undefined
            ? identity
            : Effect.provideService(AuditTrail, auditOf(onToolCall)),
          Effect.tap((toolset) =>
            Effect.sync(() => {
              made = toolset
            }),
          ),
        ),
      ),
      (exit) => (Exit.isSuccess(exit) ? Duration.infinity : 0),
    ),
  )
  const promise = (name: Name): PromiseTool<Name> => ({
    ...withCeilings(infoOf(infos[name]), policy),
    name,
    execute: async (input, { signal, onProgress } = {}) => {
      const report = onProgress && ((step: ToolProgress) => Effect.sync(() => onProgress(step)))
      const call = toolset.pipe(
        Effect.flatMap(({ byName }) => byName[name].handle(input)),
        Effect.provideService(OnToolProgress, report),
        Effect.raceFirst(closed),
      )
      const exit = await runExit(runtime, call, { signal })
      if (Exit.isSuccess(exit)) return exit.value
      if (signal?.aborted === true) throw signal.reason
      // Closed, or there is nothing to run on: that too is for the model to read.
      const failure = Cause.hasInterruptsOnly(exit.cause) ? refuse : Effect.failCause(exit.cause)
      const told = asResult(name, failure, setupMessage)
      return await Effect.runPromise(Effect.provide(told, runtime.logging))
    },
  })
  const byName = mapNames(infos, promise)
  return {
    tools: Object.values<PromiseTool<Name>>(byName),
    byName,
    end: async () => {
      Deferred.doneUnsafe(closing, Exit.void)
      if (made !== undefined) await runExit(runtime, made.close)
    },
  }
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
    issue: `it is not what ${origin} returned: give that very object, of the same version of @cordon/core`,
  })
}

/** A model chooses the paths: in a storage that others use it would read and replace their files. */
const refuseSharedStorage = (backing: SessionBacking | undefined) => {
  if (backing?.sharedStorage !== true) return
  throw new InvalidInput({
    subject: "files",
    issue:
      "all sessions of these sandboxes share one storage: give createSandboxes a function, (sessionId) => layer, or give this session files of its own",
  })
}

/**
 * The eight tools, for programs that do not use Effect. Given `sandboxes`, they are those of one of
 * many sessions that share a driver, its connections and its reaper; given a `sandbox`, they are the
 * five that act on it alone.
 *
 * @example
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
