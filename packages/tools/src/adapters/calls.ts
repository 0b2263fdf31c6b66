/** Shared by the adapters: decoding and running a framework's calls. */
import { optionNames } from "@cordon/core"
import type { ObjectSchema } from "../jsonSchema.ts"
import type { ToolProgress } from "../progress.ts"
import type { PromiseTool, PromiseTools } from "../promise/PromiseTool.ts"

/** The options of a call. Frameworks pass a missing signal as undefined or null. */
export const withSignal = (signal: AbortSignal | null | undefined) =>
  signal === undefined || signal === null ? {} : { signal }

/** The tool that a model named, if it is one of these. */
export const toolNamed = (toolset: PromiseTools, name: string): PromiseTool | undefined =>
  toolset.tools.find((tool) => tool.name === name)

/**
 * Parses a model's arguments. Invalid JSON is passed on; the tool then refuses it, since it is not
 * an object.
 */
export const parseArguments = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return json
  }
}

/** The schema that a model is shown, or held to. */
export const schemaOf = (
  { inputSchema, strictInputSchema }: PromiseTool,
  strict: boolean | undefined,
): ObjectSchema => (strict ? strictInputSchema : inputSchema)

/** Options for running the calls of one answer. */
export interface RunCallsOptions {
  /** Kills the commands that run; the promise then rejects with its reason. */
  readonly signal?: AbortSignal
  /** Told of pulls of an image and of the output of commands, with the ID of the call. */
  readonly onProgress?: (progress: ToolProgress & { readonly callId: string }) => void
}

export const runCallsShape = optionNames<RunCallsOptions>({ signal: true, onProgress: true })

/** The options of one of the calls. */
export const optionsOf = (callId: string, { signal, onProgress }: RunCallsOptions) => ({
  ...withSignal(signal),
  ...(onProgress === undefined
    ? {}
    : { onProgress: (step: ToolProgress) => onProgress({ ...step, callId }) }),
})
