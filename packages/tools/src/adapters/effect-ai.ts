import { checkInput, optionsOf, Sandboxes, SessionFiles } from "@cordon/core"
import { Effect, Schema } from "effect"
import { Prompt, Tool, Toolkit } from "effect/ai"
import { makeAudit } from "../AuditTrail.ts"
import { closeShells } from "../extra/shell.ts"
import { allExtraTools } from "../extra.ts"
import { shownFor } from "../shown.ts"
import { asFailure, type TypedTool } from "../Tool.ts"
import { sandboxTools } from "../tools.ts"

/** A failed call as a value: the problem, and the next step. */
export const SandboxToolFailure = Schema.Struct({ tag: Schema.String, message: Schema.String })

type Fields = Readonly<Record<string, unknown>>

const toTool = <const Name extends string, Input extends Fields, Output extends Fields>({
  name,
  title,
  description,
  annotations,
  input,
  output,
  render,
}: TypedTool<Name, Input, Output>) =>
  Tool.make(name, {
    description,
    parameters: input,
    success: output,
    failure: SandboxToolFailure,
    failureMode: "return",
    toModelOutput: (result) => {
      const { text, pictures = [] } = shownFor({ render }, result)
      return [
        Prompt.textPart({ text }),
        ...pictures.map(({ mediaType, data }) => Prompt.filePart({ mediaType, data })),
      ]
    },
  })
    .annotate(Tool.Title, title)
    .annotate(Tool.Readonly, annotations.readOnly)
    .annotate(Tool.Destructive, annotations.destructive)
    .annotate(Tool.Idempotent, annotations.idempotent)
    .annotate(Tool.OpenWorld, annotations.openWorld)

/**
 * The eight tools as a `Toolkit` of Effect's own AI module: `toolkit` of
 * `LanguageModel.generateText`. {@link layerSandboxToolkit} runs it.
 *
 * The model reads a result as text; a failed call is a result that says so. Interrupting the
 * generation kills the command that runs.
 *
 * @example
 * import { SandboxToolkit } from "@cordon/tools/effect-ai"
 * import { LanguageModel } from "effect/ai"
 *
 * const answer = yield* LanguageModel.generateText({
 *   prompt: "Write a program that sums numbers, and test it.",
 *   toolkit: SandboxToolkit,
 * })
 */
export const SandboxToolkit = Toolkit.make(
  toTool(sandboxTools.sandbox_create),
  toTool(sandboxTools.sandbox_exec),
  toTool(sandboxTools.sandbox_read_file),
  toTool(sandboxTools.sandbox_write_file),
  toTool(sandboxTools.sandbox_upload),
  toTool(sandboxTools.sandbox_download),
  toTool(sandboxTools.sandbox_list),
  toTool(sandboxTools.sandbox_manage),
)

/** Runs tools in a session. */
const makeRun = Effect.fnUntraced(function* (sessionId: string) {
  const files = yield* SessionFiles
  const session = yield* (yield* Sandboxes).session(sessionId)
  const audited = yield* makeAudit(sessionId)
  const run =
    <Input extends Fields, Output extends Fields>(tool: TypedTool<string, Input, Output>) =>
    (input: Input) =>
      asFailure(tool.name, tool.handler(input, session)).pipe(
        Effect.provideService(SessionFiles, files),
        audited(tool.name, input),
        Effect.withSpan(tool.name, { attributes: { "tool.name": tool.name } }),
      )
  return { run, session }
})

/**
 * Runs the toolkit in a session.
 *
 * @param options.sessionId the owner of the sandboxes: 1 to 256 characters
 * @example
 * import { layerSandboxToolkit, SandboxToolkit } from "@cordon/tools/effect-ai"
 * import { Effect } from "effect"
 * import { LanguageModel } from "effect/ai"
 *
 * const program = LanguageModel.generateText({
 *   prompt: "Write a program that sums numbers, and test it.",
 *   toolkit: SandboxToolkit,
 * }).pipe(Effect.provide(layerSandboxToolkit({ sessionId: "user-42" })))
 */
export const layerSandboxToolkit = (options: { readonly sessionId: string }) => {
  checkInput("options of layerSandboxToolkit", shape, options)
  return SandboxToolkit.toLayer(
    Effect.gen(function* () {
      const { run } = yield* makeRun(options.sessionId)
      return {
        sandbox_create: run(sandboxTools.sandbox_create),
        sandbox_exec: run(sandboxTools.sandbox_exec),
        sandbox_read_file: run(sandboxTools.sandbox_read_file),
        sandbox_write_file: run(sandboxTools.sandbox_write_file),
        sandbox_upload: run(sandboxTools.sandbox_upload),
        sandbox_download: run(sandboxTools.sandbox_download),
        sandbox_list: run(sandboxTools.sandbox_list),
        sandbox_manage: run(sandboxTools.sandbox_manage),
      }
    }),
  )
}

/**
 * The tools beside the eight, to choose from: `Toolkit.merge(SandboxToolkit,
 * Toolkit.make(ExtraSandboxToolkit.tools.sandbox_edit_file))`. {@link layerExtraSandboxToolkit} runs them.
 *
 * @example
 * import { ExtraSandboxToolkit, SandboxToolkit } from "@cordon/tools/effect-ai"
 * import { Toolkit } from "effect/ai"
 *
 * const { sandbox_edit_file } = ExtraSandboxToolkit.tools
 * const toolkit = Toolkit.merge(SandboxToolkit, Toolkit.make(sandbox_edit_file))
 */
export const ExtraSandboxToolkit = Toolkit.make(
  toTool(allExtraTools.sandbox_edit_file),
  toTool(allExtraTools.sandbox_apply_patch),
  toTool(allExtraTools.sandbox_glob),
  toTool(allExtraTools.sandbox_grep),
  toTool(allExtraTools.sandbox_process_start),
  toTool(allExtraTools.sandbox_process_logs),
  toTool(allExtraTools.sandbox_process_input),
  toTool(allExtraTools.sandbox_process_stop),
  toTool(allExtraTools.sandbox_ports),
  toTool(allExtraTools.sandbox_shell),
)

/**
 * Runs the extra tools in a session. Closing the scope ends the shells that they keep.
 *
 * @param options.sessionId the owner of the sandboxes: 1 to 256 characters
 * @example
 * import { layerExtraSandboxToolkit, layerSandboxToolkit } from "@cordon/tools/effect-ai"
 * import { Layer } from "effect"
 *
 * const session = { sessionId: "user-42" }
 * const layer = Layer.merge(layerSandboxToolkit(session), layerExtraSandboxToolkit(session))
 */
export const layerExtraSandboxToolkit = (options: { readonly sessionId: string }) => {
  checkInput("options of layerExtraSandboxToolkit", shape, options)
  return ExtraSandboxToolkit.toLayer(
    Effect.gen(function* () {
      const { run, session } = yield* makeRun(options.sessionId)
      yield* Effect.addFinalizer(() => closeShells(session))
      return {
        sandbox_edit_file: run(allExtraTools.sandbox_edit_file),
        sandbox_apply_patch: run(allExtraTools.sandbox_apply_patch),
        sandbox_glob: run(allExtraTools.sandbox_glob),
        sandbox_grep: run(allExtraTools.sandbox_grep),
        sandbox_process_start: run(allExtraTools.sandbox_process_start),
        sandbox_process_logs: run(allExtraTools.sandbox_process_logs),
        sandbox_process_input: run(allExtraTools.sandbox_process_input),
        sandbox_process_stop: run(allExtraTools.sandbox_process_stop),
        sandbox_ports: run(allExtraTools.sandbox_ports),
        sandbox_shell: run(allExtraTools.sandbox_shell),
      }
    }),
  )
}

const shape = optionsOf({}, { sessionId: Schema.String })
