import { randomUUID } from "node:crypto"
import { type CreateSandboxesOptions, layerSandboxes } from "@cordon/core"
import { Effect, Exit, ManagedRuntime } from "effect"
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

/**
 * The eight tools, for programs that do not use Effect.
 *
 * @example
 * await using toolset = createTools({ driver: docker(), sessionId: "user-42" })
 * const result = await toolset.byName.sandbox_create.execute({ name: "web-1" })
 * console.log(result.text)
 */
export const createTools = (options: CreateSandboxesOptions): PromiseToolset => {
  const { sessionId = randomUUID() } = options
  const runtime = ManagedRuntime.make(layerSandboxes(options))
  const toolset = makeToolset({ sessionId })
  const close = () => runtime.dispose()
  const { tools, byName } = mapTools<PromiseTool>((tool, name) => ({
    ...infoOf(tool),
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
