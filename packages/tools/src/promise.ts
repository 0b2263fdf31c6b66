import { randomUUID } from "node:crypto"
import { type CreateSandboxesOptions, layerSandboxes, makeRuntime } from "@cordon/core"
import { Effect, Exit, Layer, Stream } from "effect"
import { AuditTrail, type ToolCall } from "./AuditTrail.ts"
import { policyOf, withCeilings } from "./ceilings.ts"
import { OnToolProgress, type ToolProgress } from "./progress.ts"
import { asResult, type ToolInfo, type ToolResult } from "./Tool.ts"
import { infoOf, makeToolset, mapTools } from "./Toolset.ts"
import type { ToolName } from "./tools.ts"

/** A tool of a session, for programs that do not use Effect. */
export interface PromiseTool extends ToolInfo {
  readonly name: ToolName
  /**
   * Resolves whatever happens: a failure is a result that says so. Only aborting `signal` rejects,
   * with its reason, after what the call started (a command, a creation) was ended.
   */
  readonly execute: (
    input: unknown,
    options?: {
      readonly signal?: AbortSignal
      /** Told of pulls of an image, and of the output of a command line by line. */
      readonly onProgress?: (progress: ToolProgress) => void
    },
  ) => Promise<ToolResult>
}

/** The eight tools of one session, and what they run on. */
export interface PromiseToolset extends AsyncDisposable {
  readonly sessionId: string
  readonly tools: ReadonlyArray<PromiseTool>
  readonly byName: Readonly<Record<ToolName, PromiseTool>>
  /** Removes the sandboxes that were created here (unless `removeOnClose` is false) and lets go. */
  readonly close: () => Promise<void>
}

export interface CreateToolsOptions extends CreateSandboxesOptions {
  /** Told of every call of a tool when it has ended: an audit trail, without contents. */
  readonly onToolCall?: (call: ToolCall) => void
}

/** An audit trail that calls back; what the program throws there is its own, and in its log. */
const layerAudit = (onToolCall: (call: ToolCall) => void) =>
  Layer.succeed(AuditTrail, {
    record: (call) =>
      Effect.sync(() => onToolCall(call)).pipe(
        Effect.catchDefect((defect) => Effect.logError("onToolCall threw", defect)),
      ),
    calls: Stream.never,
  })

/**
 * The eight tools, for programs that do not use Effect.
 *
 * @example
 * await using toolset = createTools({ driver: docker(), sessionId: "user-42" })
 * const result = await toolset.byName.sandbox_create.execute({ name: "web-1" })
 * console.log(result.text)
 */
export const createTools = ({ onToolCall, ...options }: CreateToolsOptions): PromiseToolset => {
  const { sessionId = randomUUID() } = options
  const audit = onToolCall === undefined ? Layer.empty : layerAudit(onToolCall)
  const runtime = makeRuntime(Layer.merge(layerSandboxes(options), audit))
  const toolset = makeToolset({ sessionId })
  const policy = policyOf(options)
  const close = () => runtime.dispose()
  const { tools, byName } = mapTools<PromiseTool>((tool, name) => ({
    ...withCeilings(infoOf(tool), policy),
    name,
    execute: async (input, { signal, onProgress } = {}) => {
      const report = onProgress && ((step: ToolProgress) => Effect.sync(() => onProgress(step)))
      const exit = await runtime.runPromiseExit(
        toolset.pipe(
          Effect.flatMap(({ byName }) => byName[name].handle(input)),
          Effect.provideService(OnToolProgress, report),
        ),
        signal === undefined ? {} : { signal },
      )
      if (Exit.isSuccess(exit)) return exit.value
      if (signal?.aborted === true) throw signal.reason
      // The driver or the settings could not even be set up: that too is for the model to read.
      return await Effect.runPromise(asResult(name, Effect.failCause(exit.cause)))
    },
  }))
  return { sessionId, tools, byName, close, [Symbol.asyncDispose]: close }
}
