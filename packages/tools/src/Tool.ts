import type { SandboxSession, SessionFiles } from "@cordon/core"
import { Effect, Schema } from "effect"
import { errorMessage, internalError, isForProgram } from "./errorMessage.ts"
import type { ToolError } from "./errors.ts"
import { invalidToolInput } from "./invalidToolInput.ts"
import { jsonSchemaOf, type ObjectSchema } from "./jsonSchema.ts"
import type { PictureType } from "./picture.ts"
import { shownFor } from "./shown.ts"
import { fromStrict, strictSchemaOf } from "./strict.ts"

/** Properties that a framework may check before it lets a model call a tool without approval. */
export interface ToolAnnotations {
  /** It changes nothing. */
  readonly readOnly: boolean
  /** It may destroy what cannot be brought back. */
  readonly destructive: boolean
  /** A second call with the same input changes nothing more. */
  readonly idempotent: boolean
  /** It may reach beyond the sandboxes: a registry, the internet. */
  readonly openWorld: boolean
}

/** Why a call failed. */
export interface ToolFailure {
  /** One of the core's error tags, `BinaryFile`, or `InternalError`. */
  readonly tag: string
  /** The problem and the next step, in one line for a model. */
  readonly message: string
}

/** A picture for a model to look at. */
export interface ToolPicture {
  /** Always `image`, as model providers tell parts of a message apart. */
  readonly type: "image"
  /** The picture's media type. */
  readonly mediaType: PictureType
  /** Its bytes in base64. */
  readonly data: string
}

/** The result of a call, successful or not. The model reads `text`. */
export type ToolResult =
  | {
      /** Whether the call succeeded. */
      readonly ok: true
      /** As the tool's `outputSchema` describes it: for the program, with output as it was written. */
      readonly output: Readonly<Record<string, unknown>>
      /** The output for a model, if it differs: the content of the text as fields. */
      readonly shownOutput?: Readonly<Record<string, unknown>> | undefined
      /** For the model: output is condensed, without colours and what redraws replaced. */
      readonly text: string
      /** Pictures for the model besides the text. Only `sandbox_read_file` has any. */
      readonly pictures?: ReadonlyArray<ToolPicture> | undefined
    }
  | {
      /** Whether the call succeeded. */
      readonly ok: false
      /** What failed. */
      readonly error: ToolFailure
      /** For the model: `Error: ` and the message. */
      readonly text: string
    }

/** The description of a tool that frameworks pass to a model. */
export interface ToolInfo {
  /** The name by which a model calls the tool. */
  readonly name: string
  /** For people. */
  readonly title: string
  /** For the model. */
  readonly description: string
  /** JSON Schema, draft 2020-12. */
  readonly inputSchema: ObjectSchema
  /**
   * The same schema for a strict mode: every field is required, and an optional field may be null.
   * The tool accepts input by either schema.
   */
  readonly strictInputSchema: ObjectSchema
  /** JSON Schema, draft 2020-12. */
  readonly outputSchema: ObjectSchema
  /** Hints for a client, such as that the tool changes nothing. */
  readonly annotations: ToolAnnotations
}

/** The description of a tool, without the tool itself. */
export const infoOf = (tool: ToolInfo): ToolInfo => ({
  name: tool.name,
  title: tool.title,
  description: tool.description,
  inputSchema: tool.inputSchema,
  strictInputSchema: tool.strictInputSchema,
  outputSchema: tool.outputSchema,
  annotations: tool.annotations,
})

/** A tool without its types, as a list of tools holds it. */
export interface Tool extends ToolInfo {
  /** Validates the input and runs the tool. Never fails: a failure becomes a result. */
  readonly call: (
    session: SandboxSession,
    input: unknown,
  ) => Effect.Effect<ToolResult, never, SessionFiles>
}

type Fields = Readonly<Record<string, unknown>>

/** The definition of a tool. Everything else is derived from it. */
export interface ToolDefinition<Name extends string, Input extends Fields, Output extends Fields>
  extends Pick<ToolInfo, "title" | "description" | "annotations"> {
  /** The name by which a model calls the tool. */
  readonly name: Name
  /** The fields that the tool takes, each with a description for the model. */
  readonly input: Schema.Codec<Input, unknown>
  /** The fields of its result. */
  readonly output: Schema.Codec<Output, Fields>
  /** Runs a call whose input is valid. */
  readonly handler: (
    input: Input,
    session: SandboxSession,
  ) => Effect.Effect<Output, ToolError, SessionFiles>
  /** Renders an output as the text for the model. */
  readonly render: (output: Output) => string
}

/** A tool with its types, for adapters that keep them. */
export interface TypedTool<Name extends string, Input extends Fields, Output extends Fields>
  extends ToolDefinition<Name, Input, Output>,
    Pick<Tool, "inputSchema" | "strictInputSchema" | "outputSchema" | "call"> {}

/** Turns every failure into a result that a model can act on. Interruption stays an interruption. */
export const asFailure = <A, R>(
  tool: string,
  effect: Effect.Effect<A, ToolError, R>,
  message: (error: ToolError) => string = errorMessage,
): Effect.Effect<A, ToolFailure, R> =>
  effect.pipe(
    Effect.tapError((error) =>
      // The program's log gets errors whose details the model does not see.
      (message === errorMessage && !isForProgram(error) ? Effect.logDebug : Effect.logWarning)(
        `${tool} failed`,
        error,
      ),
    ),
    Effect.mapError((error) => ({ tag: error._tag, message: message(error) })),
    Effect.catchDefect((defect) =>
      Effect.logError(`A defect in ${tool}`, defect).pipe(
        Effect.andThen(Effect.fail({ tag: "InternalError", message: internalError })),
      ),
    ),
  )

/** As {@link asFailure}, with the failure as a result. */
export const asResult = <R>(
  tool: string,
  effect: Effect.Effect<ToolResult, ToolError, R>,
  message?: (error: ToolError) => string,
): Effect.Effect<ToolResult, never, R> =>
  asFailure(tool, effect, message).pipe(
    Effect.catch((error) =>
      Effect.succeed<ToolResult>({ ok: false, error, text: `Error: ${error.message}` }),
    ),
  )

export const defineTool = <const Name extends string, Input extends Fields, Output extends Fields>(
  definition: ToolDefinition<Name, Input, Output>,
): TypedTool<Name, Input, Output> => {
  const { name, input, output, handler } = definition
  const inputSchema = jsonSchemaOf(input)
  const decode = Schema.decodeUnknownEffect(input)
  const encode = Schema.encodeEffect(output)
  const run = Effect.fnUntraced(function* (
    session: SandboxSession,
    unchecked: unknown,
  ): Effect.fn.Return<ToolResult, ToolError, SessionFiles> {
    const given = fromStrict(inputSchema, unchecked)
    const checked = yield* decode(given, { errors: "all", onExcessProperty: "error" }).pipe(
      Effect.mapError(invalidToolInput(name, inputSchema, given)),
    )
    const result = yield* handler(checked, session)
    const encoded = yield* Effect.orDie(encode(result))
    const { instead, ...shown } = shownFor(definition, result)
    if (instead === undefined) return { ok: true, output: encoded, ...shown }
    const shownOutput = yield* Effect.orDie(encode(instead))
    return { ok: true, output: encoded, shownOutput, ...shown }
  })
  return {
    ...definition,
    inputSchema,
    strictInputSchema: strictSchemaOf(inputSchema),
    outputSchema: jsonSchemaOf(output),
    call: (session, input) =>
      asResult(name, run(session, input)).pipe(
        Effect.withSpan(name, { attributes: { "tool.name": name } }),
      ),
  }
}
